#include "weir/subnet/correlation.h"

#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

at::Tensor flat(const at::Tensor& x) { return x.detach().to(at::kCPU, at::kDouble).flatten(); }

at::Tensor with_finite(const at::Tensor& x) {
  const at::Tensor finite = x.isfinite();
  if (finite.all().item<bool>() || !finite.any().item<bool>()) return x;
  return at::where(finite, x, x.masked_select(finite).max());
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

double pearson(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor a = flat(x), b = flat(y);
  require(a.sizes() == b.sizes(),
          "correlation: expected as many values on both sides, got {} and {}", a.size(0),
          b.size(0));
  if (a.size(0) < 2) return NAN;
  const at::Tensor ca = a - a.mean(), cb = b - b.mean();
  const double size =
      std::sqrt(ca.square().sum().item<double>() * cb.square().sum().item<double>());
  return size > 0 ? (ca * cb).sum().item<double>() / size : NAN;
}

double spearman(const at::Tensor& x, const at::Tensor& y) {
  if (x.numel() < 2) return NAN;
  return pearson(ranks(flat(x)), ranks(flat(y)));
}

Correlation correlation(const at::Tensor& model, const at::Tensor& target,
                        InfiniteTargets infinite) {
  at::Tensor x = with_finite(flat(model)), y = flat(target);
  require(x.sizes() == y.sizes(),
          "correlation: expected as many values on both sides, got {} and {}", x.size(0),
          y.size(0));
  Correlation result;
  const at::Tensor finite = y.isfinite();
  result.infinite = y.numel() - finite.sum().item<int64_t>();
  if (infinite == InfiniteTargets::kDrop) {
    x = x.masked_select(finite);
    y = y.masked_select(finite);
  } else {
    y = with_finite(y);
  }
  result.n = x.numel();
  result.pearson = pearson(x, y);
  result.spearman = spearman(x, y);
  return result;
}

}  // namespace weir
