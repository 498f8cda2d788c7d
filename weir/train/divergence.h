#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace weir {

struct DivergenceOptions {
  double rise = 2;       ///< Of the loss over the median of the last updates; 0: only NaN counts.
  int64_t patience = 5;  ///< Updates in a row that are so high.
  int64_t window = 64;   ///< Updates whose median is taken.
};

/// Notices a training that has left its way: a loss or gradient norm that is not finite, or losses
/// above the median of those before it for several updates in a row (a single bad batch is none).
class DivergenceWatch {
 public:
  explicit DivergenceWatch(const DivergenceOptions& options = {}) : options_(options) {}

  /// After each update, in order; what went wrong, as a sentence without a full stop.
  std::optional<std::string> take(int64_t step, double loss, double gradient_norm);
  /// The last loss was high: what is saved now might be spoilt already.
  bool is_suspicious() const { return n_high_ > 0; }

 private:
  DivergenceOptions options_;
  std::deque<double> losses_;  ///< The last ones that were not high.
  int64_t n_high_ = 0;
};

}  // namespace weir
