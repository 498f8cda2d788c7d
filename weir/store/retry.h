#pragma once

#include <cstdint>
#include <string>

#include "weir/base/error.h"

namespace weir::store {

/// Trouble that another try may not meet: a cut connection, a busy server. Always kUnavailable.
class TransientError : public Error {
 public:
  explicit TransientError(const std::string& message, double wait = 0)
      : Error(ErrorCode::kUnavailable, message), wait_(wait) {}
  /// Seconds that the server asked to wait; 0 when it did not.
  double wait() const noexcept { return wait_; }

 private:
  double wait_;
};

/// How often and after which pauses to try again.
class Backoff {
 public:
  /// `first_wait` in seconds; each further pause is twice as long, up to a minute.
  Backoff(int64_t retries, double first_wait);

  /// Something arrived: all retries are there again.
  void reset();
  /// Sleeps before the next try; throws the error for good once the retries are used up, and
  /// kInterrupted on Ctrl-C.
  void pause(const TransientError& error);

 private:
  int64_t retries_;
  double first_wait_;
  int64_t used_ = 0;
};

/// Calls `work` until it ends without a TransientError, and returns what it returns.
template <typename Work>
auto with_retries(Backoff& backoff, const Work& work) {
  while (true) {
    try {
      return work();
    } catch (const TransientError& error) {
      backoff.pause(error);
    }
  }
}

}  // namespace weir::store
