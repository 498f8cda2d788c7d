#pragma once

#include <ATen/core/Tensor.h>

#include "weir/recall/last_position.h"

namespace weir {

/// Path patching of every head and MLP to the last residual stream, at the last position, as in
/// 2403.19521's code: the sender's output becomes its mean over the prompts, every attention output
/// keeps its clean value, MLPs react or are frozen.
struct PathEffects {
  at::Tensor heads;  ///< [L, H, N] patched pi - clean pi of the token asked for
  at::Tensor mlps;   ///< [L, N]
};

/// For each of `ids` (int64 [N]: answers, subjects, ...) one result, from the same runs.
std::vector<PathEffects> path_effects(const LastPosition& last, const std::vector<at::Tensor>& ids,
                                      bool freeze_mlps);

/// 2403.19521's sparsifier: keeps the largest entries by magnitude while their sum is at most
/// `theta` of the total, the entry at the boundary and what ties with it; the others become 0.
/// theta >= 1 keeps all.
at::Tensor sparsify(const at::Tensor& effect, double theta);

}  // namespace weir
