#pragma once

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

namespace weir {

/// Path patching of every head and MLP to the last residual stream, at the last position, as in
/// 2403.19521's code (path_grid, weir/patch): the sender's output becomes its mean over the
/// prompts.
struct PathEffects {
  at::Tensor heads;  ///< [L, H, N] patched pi - clean pi
  at::Tensor mlps;   ///< [L, N]
};
/// The two tokens that recall asks about, from the same runs.
struct RecallEffects {
  PathEffects answer, subject;
};
/// `answers`, `subjects`: int64 [N].
RecallEffects path_effects(const LanguageModel& lm, const TokenBatch& prompts,
                           const at::Tensor& answers, const at::Tensor& subjects, bool freeze_mlps);

/// 2403.19521's sparsifier: keeps the largest entries by magnitude while their sum is at most
/// `theta` of the total, the entry at the boundary and what ties with it; the others become 0.
/// theta >= 1 keeps all.
at::Tensor sparsify(const at::Tensor& effect, double theta);

}  // namespace weir
