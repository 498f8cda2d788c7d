#pragma once

#include <limits>

#include <ATen/ATen.h>

namespace weir {

/// Largest |a - b|; entries that are equal infinities count as 0, a NaN or another shape as
/// infinity.
inline double max_difference(const at::Tensor& a, const at::Tensor& b) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (a.sizes() != b.sizes()) return kInfinity;
  const at::Tensor x = a.detach().to(at::kDouble), y = b.detach().to(at::kDouble);
  const at::Tensor difference = at::where(x == y, at::zeros_like(x), (x - y).abs());
  return difference.nan_to_num(kInfinity).max().item<double>();
}

}  // namespace weir
