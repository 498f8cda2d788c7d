#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weir/patch/grid_report.h"
#include "weir/patch/grids.h"
#include "weir/patch/path_patching.h"

/// What `weir patch` shows and saves, whatever was patched.
namespace weir::cli {

struct PatchResult {
  /// Normalised effects by the name under which they are saved: "effect", and beside it
  /// "effect_mlps" (of paths) or "effect_exact".
  std::vector<std::pair<std::string, NamedEffects>> effects;
  /// Readings by prompt: "patched" [..., B], "base", "goal" [B], ...
  std::vector<std::pair<std::string, at::Tensor>> readings;
  std::optional<double> rank_correlation;  ///< Of exact changes and estimates.
};

/// path_final, path_q, path_k, path_v, path_mlp.
bool is_path_kind(const std::string& kind);
/// `options.receiver` is set from `kind`. kDenoise: the corrupt run hears of the clean one.
PatchResult patch_paths(const LanguageModel& lm, const PatchPairs& pairs, const std::string& kind,
                        PatchDirection direction, PathOptions options);

}  // namespace weir::cli
