#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/patch/readings.h"

/// Activation patching on grids of layer x position x head (Meng et al. 2022; Wang et al. 2022;
/// TransformerLens's `patching`), exact and by gradients. docs/methods/patching.md.
namespace weir {

/// B pairs of the same length.
struct PatchPairs {
  TokenBatch clean, corrupt;
  at::Tensor answer, wrong;  ///< int64 [B]; `wrong` may be undefined
};
PatchPairs pairs_of(const PromptSet& set);

enum class PatchDirection {
  kDenoise,  ///< The corrupt run, one activation replaced by its clean value
  kNoise,    ///< The clean run, one activation replaced by its corrupt value
};
/// What the replaced activation becomes.
enum class PatchValue {
  kPerPrompt,  ///< The prompt's own, of the other run
  kMean,       ///< The other run's mean over prompts at the same position
  kMeanAll,    ///< Its mean over prompts and positions
  kZero,
  kResample,  ///< Another prompt's, of the other run
};
/// How much of it is replaced at once.
enum class PatchScope {
  kPosition,  ///< One position (of a pattern: one query), and one head where there are heads
  kAll,       ///< All positions of one head (of a stream or module: of one layer)
  kEnd,       ///< The last position of one head (of a stream or module: of one layer)
  kEdge,      ///< Patterns only: one query and key. Entries are not renormalised
};

struct GridOptions {
  /// resid_pre, resid_mid, resid_post, attn_out, mlp_out, head_z, head_q, head_k, head_v,
  /// head_pattern. Queries and keys before their norm and rotation; keys and values by key head.
  std::string kind = "resid_pre";
  PatchDirection direction = PatchDirection::kDenoise;
  PatchValue value = PatchValue::kPerPrompt;
  PatchScope scope = PatchScope::kPosition;
  std::vector<Reading> readings = {Reading::kLogitDiff};
  at::Tensor resample;  ///< int64 [B], kResample: the prompt whose values a prompt receives
  at::Tensor vector;    ///< [V], of Reading::kVector
};

/// L layers, T positions, H heads (G key heads): [L, T], [L, T, H], [L, H], [L, H, T] (pattern by
/// query) or [L, H, T, T] (edge), then B.
struct PatchGrid {
  std::vector<std::string> axes;             ///< Without the prompts: "layer", "position", "head"
  std::map<Reading, at::Tensor> readings;    ///< [..., B] after the patch; or the estimated CHANGE
  std::map<Reading, at::Tensor> base, goal;  ///< [B] of the run that is patched, of the other run
  /// normalised_effect; of an estimate the mean change over mean goal - mean base.
  at::Tensor effect(Reading reading) const;
  bool is_estimate = false;
};

/// Kinds that the model has, in the order above.
std::vector<std::string> patch_kinds(const ModelConfig& config);

/// Exact: one experiment an entry, restarted from its layer.
PatchGrid patch_grid(const LanguageModel& lm, const PatchPairs& pairs, const GridOptions& options);

/// Attribution patching (Nanda 2023): (source - own) x gradient at the run that is patched, summed
/// over the last axis; estimates the change of every reading (but kRank) for every entry of all
/// `kinds` from one forward and one backward a reading, and a forward of the source.
/// head_pattern has scope kEdge here; summed over keys it is by query. kPerPrompt values.
std::map<std::string, PatchGrid> attribution_grids(const LanguageModel& lm, const PatchPairs& pairs,
                                                   const std::vector<std::string>& kinds,
                                                   const GridOptions& options);

}  // namespace weir
