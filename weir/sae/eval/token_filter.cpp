#include "weir/sae/eval/token_filter.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {

at::Tensor TokenFilter::operator()(const at::Tensor& tokens, const at::Tensor& x,
                                   const at::Tensor& real) {
  const at::Tensor all = at::ones_like(tokens, at::kBool);
  at::Tensor kept = real.defined() ? real.cpu().to(at::kBool) : all;
  counts_.n_tokens += kept.sum().item<int64_t>();
  const auto drop = [&](const at::Tensor& which, int64_t* n) {
    *n += (which & kept).sum().item<int64_t>();
    kept = kept & ~which;
  };
  drop(kept.to(at::kLong).cumsum(1) <= options_.skip_positions, &counts_.positions);
  at::Tensor skipped = ~all;
  for (const int64_t id : options_.skip_tokens) skipped = skipped | (tokens == id);
  drop(skipped, &counts_.by_id);
  if (options_.max_norm_multiple > 0) {
    const at::Tensor norms = x.detach().cpu().flatten(2).to(at::kFloat).norm(2, -1);
    if (limit_ == 0) {
      require(kept.any().item<bool>(), "no token is left in rows of {}", tokens.size(1));
      limit_ = options_.max_norm_multiple * norms.index({kept}).median().item<double>();
    }
    drop(norms > limit_, &counts_.outliers);
  }
  return kept;
}

}  // namespace weir
