#include "weir/sae/training/geometric_median.h"

#include <ATen/ATen.h>

namespace weir {

at::Tensor geometric_median(const at::Tensor& points, int64_t most, double tolerance) {
  at::Tensor guess = points.mean(0);
  for (int64_t i = 0; i < most; ++i) {
    const at::Tensor before = guess;
    const at::Tensor closeness = (points - guess).norm(2, 1).clamp_min(1e-12).reciprocal();
    guess = closeness.matmul(points) / closeness.sum();
    if ((guess - before).norm().item<double>() < tolerance) break;
  }
  return guess;
}

}  // namespace weir
