#include "weir/sae/eval/absorption.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

/// What all words share.
struct Latents {
  at::Tensor cosine;     ///< [F] of decoder rows with the probe
  at::Tensor main;       ///< int64
  at::Tensor absorbers;  ///< bool [F]: may absorb, by cosine
};

double sum_of_largest(const at::Tensor& values, int64_t k) {
  const int64_t n = std::min(k, values.numel());
  return n == 0 ? 0 : std::get<0>(values.topk(n)).sum().item<double>();
}

double fraction_of(double projection, double main, double absorbed, double least_share) {
  if (main >= projection || absorbed / projection < least_share) return 0;
  if (main <= 0) return 1;
  const double part = std::min(absorbed, projection - main);
  return std::clamp(part / (part + main), 0.0, 1.0);
}

WordAbsorption of_word(double projection, const at::Tensor& values, const Latents& latents,
                       const AbsorptionOptions& options) {
  const at::Tensor parts = values * latents.cosine;
  WordAbsorption word;
  word.projection = projection;
  const at::Tensor carried = parts.index({latents.absorbers & (parts > 0)});
  word.fraction = fraction_of(projection, parts.index_select(0, latents.main).sum().item<double>(),
                              sum_of_largest(carried, options.max_absorbers), options.proportion);
  const int64_t top = parts.argmax().item<int64_t>();
  const bool silent =
      values.index_select(0, latents.main).abs().max().item<double>() < options.silent;
  word.is_full = silent && projection >= 0 &&
                 latents.cosine[top].item<double>() >= options.full_cosine &&
                 parts[top].item<double>() / projection >= options.proportion;
  return word;
}

}  // namespace

std::vector<WordAbsorption> absorption(const at::Tensor& x, const at::Tensor& latents_in,
                                       const at::Tensor& W_dec, const at::Tensor& probe,
                                       const std::vector<int64_t>& main,
                                       const AbsorptionOptions& options) {
  require(!main.empty(), "absorption: expected at least one main latent");
  const at::Tensor unit = probe.to(at::kDouble) / probe.to(at::kDouble).norm();
  const at::Tensor decoder = W_dec.detach().to(at::kCPU, at::kDouble);
  Latents latents;
  latents.cosine = decoder.mv(unit) / decoder.norm(2, /*dim=*/1).clamp_min(1e-8);
  latents.main = at::tensor(main, at::kLong);
  latents.absorbers = latents.cosine >= options.fraction_cosine;
  latents.absorbers.index_fill_(0, latents.main, false);
  const at::Tensor projections = x.detach().to(at::kCPU, at::kDouble).mv(unit);
  std::vector<WordAbsorption> words;
  for (int64_t i = 0; i < x.size(0); ++i) {
    words.push_back(of_word(projections[i].item<double>(),
                            latents_in[i].detach().to(at::kCPU, at::kDouble), latents, options));
  }
  return words;
}

int64_t split_latents(const std::vector<double>& f1_by_k, double jump) {
  int64_t n = 1;
  for (size_t k = 1; k < f1_by_k.size() && f1_by_k[k] - f1_by_k[k - 1] > jump; ++k) ++n;
  return n;
}

}  // namespace weir
