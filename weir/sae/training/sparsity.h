#pragma once

#include <ATen/core/Tensor.h>

#include "weir/sae/kinds/sae.h"
#include "weir/sae/training/settings.h"

namespace weir {

/// The penalty of settings.sparsity, without its coefficient: a mean over rows of `of` [B, F],
/// which is latents (or a gate, or |mu|), pre-activations for kL0 and kL0Quadratic. `p` stands for
/// settings.sparsity.p. Differentiable, also in the decoder's norms and the threshold.
at::Tensor sparsity_penalty(const Sae& sae, const SaeTrainingSettings& settings,
                            const at::Tensor& of, double p);

}  // namespace weir
