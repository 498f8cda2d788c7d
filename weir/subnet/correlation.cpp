#include "weir/subnet/correlation.h"

#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/tensor/rank_correlation.h"

namespace weir {
namespace {

at::Tensor flat(const at::Tensor& x) { return x.detach().to(at::kCPU, at::kDouble).flatten(); }

at::Tensor with_finite(const at::Tensor& x) {
  const at::Tensor finite = x.isfinite();
  if (finite.all().item<bool>() || !finite.any().item<bool>()) return x;
  return at::where(finite, x, x.masked_select(finite).max());
}

}  // namespace

Correlation surprisal_correlation(const at::Tensor& model, const at::Tensor& target,
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
  result.pearson = result.n > 1 ? pearson(x, y) : NAN;
  result.spearman = result.n > 1 ? spearman(x, y) : NAN;
  return result;
}

}  // namespace weir
