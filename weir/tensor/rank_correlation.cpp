#include "weir/tensor/rank_correlation.h"

#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

at::Tensor flat(const at::Tensor& x) { return x.detach().to(at::kCPU, at::kDouble).flatten(); }

void check(const at::Tensor& a, const at::Tensor& b) {
  require(a.numel() == b.numel() && a.numel() > 1,
          "correlation: expected two arrays of the same size, got {} and {} entries", a.numel(),
          b.numel());
}

/// 1, 2, ...; the mean rank of equal values.
at::Tensor ranks(const at::Tensor& x) {
  const auto [sorted, order] = x.sort(/*dim=*/0);
  const auto [unique, inverse, counts] =
      at::unique_consecutive(sorted, /*return_inverse=*/true, /*return_counts=*/true);
  const at::Tensor last = counts.cumsum(0).to(at::kDouble);
  const at::Tensor mean = last - (counts.to(at::kDouble) - 1) / 2;
  return at::empty_like(x).index_copy_(0, order, mean.index_select(0, inverse));
}

}  // namespace

double pearson(const at::Tensor& a, const at::Tensor& b) {
  check(a, b);
  const at::Tensor x = flat(a), y = flat(b);
  const at::Tensor dx = x - x.mean(), dy = y - y.mean();
  const double xx = dx.square().sum().item<double>(), yy = dy.square().sum().item<double>();
  if (xx == 0 || yy == 0) return std::numeric_limits<double>::quiet_NaN();
  return (dx * dy).sum().item<double>() / std::sqrt(xx * yy);
}

double spearman(const at::Tensor& a, const at::Tensor& b) {
  check(a, b);
  return pearson(ranks(flat(a)), ranks(flat(b)));
}

}  // namespace weir
