#include "weir/lm/unembedding.h"

#include <ATen/ATen.h>

namespace weir {

at::Tensor final_normed(const ModelConfig& config, const Weights& weights,
                        const at::Tensor& residual) {
  const NormWeights& last = weights.ln_final;
  if (!last.present) return residual;
  return norm(residual, config.norm, config.norm_eps, last.w, last.b, config.norm_offset);
}

at::Tensor final_scale(const ModelConfig& config, const Weights& weights,
                       const at::Tensor& residual) {
  if (!weights.ln_final.present) return at::ones_like(residual.select(-1, 0));
  return norm_scale(residual, config.norm, config.norm_eps).squeeze(-1);
}

VocabStats unembedding_stats(const ModelConfig& config, const Weights& weights, const at::Tensor& x,
                             VocabStatsOptions options) {
  options.softcap = config.logit_softcap;
  return vocab_stats(x.to(at::kFloat), weights.W_U, weights.b_U, options);
}

VocabScores unembedding_scores(const ModelConfig& config, const Weights& weights,
                               const at::Tensor& x, VocabScoreOptions options) {
  options.softcap = config.logit_softcap;
  return vocab_scores(x, weights.W_U, weights.b_U, options);
}

}  // namespace weir
