#pragma once

#include "weir/sae/training/step.h"

namespace weir {

/// Whether `sparse_gradients` knows this kind and all terms of this loss.
bool has_sparse_step(const Sae& sae, const SaeTrainingSettings& settings);

/// The same numbers as dense_gradients for kinds that keep few latents: one dense product for the
/// pre-activations, block of tokens by block of tokens, so that no [B, F] tensor is made; all else
/// touches chosen latents alone.
SaeGradients sparse_gradients(const Sae& sae, const SaeTrainingSettings& settings,
                              const SaeBatch& batch, const SaeStepSituation& situation);

}  // namespace weir
