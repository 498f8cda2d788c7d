#include "weir/sae/attention/head_shares.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/tensor/rank_correlation.h"

namespace weir {

at::Tensor head_shares(const Sae& sae, int64_t n_heads, HeadShare of, const at::Tensor& W_O) {
  const int64_t d_in = of == HeadShare::kEncoder ? sae.config.d_in : sae.config.d_out;
  require(n_heads > 0 && d_in % n_heads == 0,
          "expected a dictionary on hook_z of {} heads, found one of width {}", n_heads, d_in);
  const at::Tensor rows =
      (of == HeadShare::kEncoder ? sae.weight("W_enc").t() : sae.weight("W_dec"))
          .to(at::kCPU, at::kDouble);
  at::Tensor blocks = rows.unflatten(1, {n_heads, d_in / n_heads});  // [F, H, K]
  if (of == HeadShare::kResidual) {
    require(W_O.defined() && W_O.size(0) == d_in, "expected W_O of {} rows", d_in);
    const at::Tensor out = W_O.to(at::kDouble).unflatten(0, {n_heads, d_in / n_heads});
    blocks = at::bmm(blocks.transpose(0, 1), out).transpose(0, 1);  // [F, H, D]
  }
  const at::Tensor norms = blocks.norm(2, 2);
  const at::Tensor total = norms.sum(1, true);
  return norms / at::where(total > 0, total, at::ones_like(total));
}

std::vector<std::vector<int64_t>> top_features_of_heads(const at::Tensor& shares, int64_t k,
                                                        const at::Tensor& frequency, double least) {
  std::vector<std::vector<int64_t>> tops;
  for (int64_t h = 0; h < shares.size(1); ++h) {
    const at::Tensor order = at::argsort(shares.select(1, h), 0, true);
    std::vector<int64_t> top;
    for (int64_t i = 0; i < order.size(0) && static_cast<int64_t>(top.size()) < k; ++i) {
      const auto feature = order[i].item<int64_t>();
      const bool is_live = !frequency.defined() || frequency[feature].item<double>() > least;
      if (is_live) top.push_back(feature);
    }
    tops.push_back(std::move(top));
  }
  return tops;
}

ShareAgreement share_agreement(const at::Tensor& a, const at::Tensor& b) {
  require(a.sizes() == b.sizes() && a.dim() == 2, "expected shares of the same features and heads");
  return {pearson(a, b), spearman(a, b),
          (a.argmax(1) == b.argmax(1)).to(at::kDouble).mean().item<double>()};
}

}  // namespace weir
