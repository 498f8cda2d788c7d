#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/sae/kinds/sae.h"

namespace weir {

/// What a model predicts with a dictionary's reconstruction in place of the activation, and with
/// the activation put to 0 or to its mean. Everything in nats, float64 sums of float32
/// log-probabilities (log_softmax: upstream's log(softmax) of float32 gives NaN for large logits).
struct ArmLosses {
  at::Tensor ce;  ///< float [B, T - 1]: -log p of the next token.
  at::Tensor kl;  ///< float [B, T]: KL(clean || arm); of the clean arm 0.
};
struct SpliceLosses {
  ArmLosses clean, zero, mean;
  std::vector<ArmLosses> spliced;  ///< One for each dictionary.
};

/// tokens int64 [B, T]; `mask` bool [B, T]: where reconstructions take the place of activations
/// (undefined: everywhere; ablations act everywhere, as upstream's). `mean`: what the
/// other ablation puts there, in the shape of one token's activation; undefined: that arm is left
/// out. All dictionaries read and write the same places, so that the clean run and what lies below
/// the hook are computed once. kInvalidArgument when they do not.
SpliceLosses splice_losses(const LanguageModel& lm, const std::vector<const Sae*>& saes,
                           const at::Tensor& tokens, const at::Tensor& mask,
                           const at::Tensor& mean = {});

}  // namespace weir
