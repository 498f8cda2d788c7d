#pragma once

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

namespace weir {

/// A steering vector [D]: mean over prompts of the stream entering `layer` at `position` of each
/// row, minus the same of other prompts (Turner et al. 2023; Rimsky et al. 2024). `position` int64
/// [B].
at::Tensor steering_vector(const LanguageModel& lm, const TokenBatch& towards,
                           const at::Tensor& towards_position, const TokenBatch& away,
                           const at::Tensor& away_position, int64_t layer);

/// alpha times the vector, added to the stream entering `layer` at all positions, or at the last of
/// the prompt: as `run` and `generate --intervene` take it.
Intervention steering(const at::Tensor& vector, int64_t layer, double alpha, bool at_end);

}  // namespace weir
