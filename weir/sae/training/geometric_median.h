#pragma once

#include <ATen/core/Tensor.h>

namespace weir {

/// The point with the least sum of distances to the rows of `points` [n, d]: Weiszfeld's iteration
/// from the mean, at most `most` steps, until a step changes less than `tolerance` of its norm.
at::Tensor geometric_median(const at::Tensor& points, int64_t most = 100, double tolerance = 1e-5);

}  // namespace weir
