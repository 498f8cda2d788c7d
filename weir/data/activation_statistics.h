#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace weir::data {

/// Sums over rows x [d] of activations, in float64. All that the trainers' ways of normalising
/// need; sums of parts add up to that of the whole.
struct ActivationStatistics {
  int64_t n = 0;               ///< Rows.
  at::Tensor sum;              ///< float64 [d] of x; undefined while n = 0.
  double norm_sum = 0;         ///< Of ||x||.
  double square_norm_sum = 0;  ///< Of ||x||^2.

  /// Rows [n, d] of any real type.
  void add(const at::Tensor& rows);
  ActivationStatistics& operator+=(const ActivationStatistics& more);

  at::Tensor mean() const;  ///< float64 [d]
  double mean_norm() const { return norm_sum / static_cast<double>(n); }
  /// sqrt(mean ||x||^2): dictionary_learning's norm factor; rows divided by it have mean square
  /// norm 1.
  double norm_factor() const;
  /// sqrt(d) / mean ||x||: SAELens's "expected_average_only_in"; rows times it have mean norm
  /// sqrt(d).
  double norm_scale() const;
  /// ||mean|| / sqrt(mean ||x - mean||^2): how far the rows lie off the origin, in their own
  /// spread. Where it is large, many latents die at the start unless the mean is taken off
  /// (2605.31518).
  double offset_ratio() const;
};

}  // namespace weir::data
