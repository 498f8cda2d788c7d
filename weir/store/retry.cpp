#include "weir/store/retry.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "weir/base/interrupt.h"
#include "weir/base/log.h"

namespace weir::store {
namespace {

constexpr double kLongestWait = 60;

// In short steps, so that Ctrl-C is heard.
void sleep_seconds(double seconds) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                   std::chrono::duration<double>(seconds));
  while (Clock::now() < end) {
    throw_if_interrupted();
    const auto left = end - Clock::now();
    std::this_thread::sleep_for(std::min<Clock::duration>(left, std::chrono::milliseconds(50)));
  }
}

}  // namespace

Backoff::Backoff(int64_t retries, double first_wait) : retries_(retries), first_wait_(first_wait) {}

void Backoff::reset() { used_ = 0; }

void Backoff::pause(const TransientError& error) {
  if (used_ >= retries_) {
    fail(ErrorCode::kUnavailable, "{} (tried {} times); try again later, what arrived is kept",
         error.what(), used_ + 1);
  }
  const double doubled = first_wait_ * std::exp2(static_cast<double>(used_));
  const double seconds = std::min(kLongestWait, std::max(error.wait(), doubled));
  ++used_;
  log::info("{}; next try in {:.1f} s", error.what(), seconds);
  sleep_seconds(seconds);
}

}  // namespace weir::store
