#include "weir/sae/eval/latent_counts.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/tensor/convert.h"

namespace weir {

LatentCounts::LatentCounts(int64_t n_latents)
    : fired_(at::zeros({n_latents}, at::kLong)), prompts_(at::zeros({n_latents}, at::kLong)) {}

void LatentCounts::add(const at::Tensor& latents_in, const at::Tensor& mask) {
  require(latents_in.dim() == 3 && latents_in.size(2) == fired_.numel(),
          "latent counts: expected latents [B, T, {}]", fired_.numel());
  at::Tensor latents = latents_in.detach().cpu();
  if (mask.defined()) {
    latents = at::where(mask.cpu().to(at::kBool).unsqueeze(-1), latents, 0.0);
  }
  const at::Tensor kept = mask.defined() ? mask.cpu().to(at::kLong).sum(1)
                                         : at::full({latents.size(0)}, latents.size(1), at::kLong);
  const at::Tensor by_prompt = (latents != 0).sum(1);  // int64 [B, F]
  fired_ += by_prompt.sum(0);
  prompts_ += (by_prompt > 0).sum(0);
  n_tokens_ += kept.sum().item<int64_t>();
  sum_ += latents.sum(at::kDouble).item<double>();
  magnitude_ += latents.abs().sum(at::kDouble).item<double>();
  for (const double n : to_doubles(by_prompt.sum(1))) l0_by_prompt_.above.push_back(n);
  for (const double n : to_doubles(kept)) l0_by_prompt_.below.push_back(n);
}

at::Tensor LatentCounts::density() const {
  return fired_.to(at::kDouble) / static_cast<double>(n_tokens_);
}

at::Tensor LatentCounts::firings_per_prompt() const {
  return fired_.to(at::kDouble) / prompts_.to(at::kDouble);
}

double LatentCounts::l0() const {
  return fired_.sum(at::kDouble).item<double>() / static_cast<double>(n_tokens_);
}
double LatentCounts::l1() const { return sum_ / static_cast<double>(n_tokens_); }
double LatentCounts::l1_abs() const { return magnitude_ / static_cast<double>(n_tokens_); }

double LatentCounts::share_alive(double times) const {
  const double least = times * l0() / static_cast<double>(fired_.numel());
  return (density() >= least).logical_and(fired_ > 0).to(at::kDouble).mean().item<double>();
}

double LatentCounts::share_above(double least) const {
  return (density() > least).to(at::kDouble).mean().item<double>();
}

double LatentCounts::firings_above(double least) const {
  const at::Tensor density = this->density();
  return at::where(density > least, density, 0.0).sum().item<double>() /
         density.sum().item<double>();
}

}  // namespace weir
