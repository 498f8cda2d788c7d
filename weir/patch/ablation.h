#pragma once

#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/patch/grids.h"

/// What is lost when parts of a model write nothing of their own. docs/methods/ablation.md.
namespace weir {

/// Each part of `kind` (attn_out, mlp_out, head_z, ...) alone, at all positions (kAll) or the last
/// (kEnd), replaced by zero, a mean over the prompts, or another prompt's: patch_grid from the
/// prompts into themselves.
PatchGrid ablation_grid(const LanguageModel& lm, const TokenBatch& prompts,
                        const at::Tensor& answer, const at::Tensor& wrong, GridOptions options);

/// Several parts at once, at all positions.
struct AblationSet {
  std::vector<std::pair<int64_t, int64_t>> heads;  ///< layer, head
  std::vector<int64_t> mlps;                       ///< layers
};
/// Values that work in `run`, `generate` and every verb that takes interventions. `resample`: int64
/// [B] of kResample. Means are of these prompts.
std::vector<Intervention> ablation_interventions(const LanguageModel& lm, const TokenBatch& prompts,
                                                 const AblationSet& set, PatchValue value,
                                                 const at::Tensor& resample = {});

/// A circuit alone (the evaluation of 2403.19521's code): every head, and with `mlps` every MLP,
/// that is not kept becomes its mean over the reference prompts of the same group at the same
/// position.
struct Circuit {
  at::Tensor heads;  ///< bool [L, H, B, T]: kept
  at::Tensor mlps;   ///< bool [L, B, T]: kept; undefined: all of them
};
struct CircuitReference {
  TokenBatch prompts;                 ///< [R, T], as long as the prompts
  std::vector<int64_t> group;         ///< [R]
  std::vector<int64_t> prompt_group;  ///< [B]: the group of each prompt
};
/// Logits [B, V] at the last position.
at::Tensor circuit_logits(const LanguageModel& lm, const TokenBatch& prompts,
                          const Circuit& circuit, const CircuitReference& reference);

}  // namespace weir
