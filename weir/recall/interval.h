#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weir {

/// A mean with its 95 % interval.
struct Interval {
  double mean = 0, low = 0, high = 0;
  bool is_below_zero() const { return high < 0; }
  bool is_above_zero() const { return low > 0; }
};

/// Mean of values [n] and its percentile bootstrap interval. Whole groups (int64 [n]: subjects) are
/// drawn with replacement, for prompts about one subject are not independent. The same seed gives
/// the same draws, so intervals of two quantities of the same prompts can be compared.
Interval bootstrap_by_subject(const at::Tensor& values, const std::vector<int64_t>& group,
                              uint64_t seed = 0, int64_t n_draws = 1000);

}  // namespace weir
