#include <map>

#include <ATen/ATen.h>

#include "apps/cli/patch_result.h"
#include "weir/patch/experiments.h"

namespace weir::cli {
namespace {

const std::map<std::string, PathReceiver> kReceivers = {{"path_final", PathReceiver::kFinal},
                                                        {"path_q", PathReceiver::kQuery},
                                                        {"path_k", PathReceiver::kKey},
                                                        {"path_v", PathReceiver::kValue},
                                                        {"path_mlp", PathReceiver::kMlp}};

std::vector<std::string> receiver_axes(PathReceiver receiver) {
  if (receiver == PathReceiver::kFinal) return {};
  if (receiver == PathReceiver::kMlp) return {"to_layer"};
  return {"to_layer", "to_head"};
}

}  // namespace

bool is_path_kind(const std::string& kind) { return kReceivers.count(kind) > 0; }

PatchResult patch_paths(const LanguageModel& lm, const PatchPairs& pairs, const std::string& kind,
                        PatchDirection direction, PathOptions options) {
  PatchPairs run = pairs;
  const bool is_denoise = direction == PatchDirection::kDenoise;
  if (is_denoise) std::swap(run.clean, run.corrupt);
  options.receiver = kReceivers.at(kind);
  const Reading reading = options.readings.front();
  const PathGrid grid = path_grid(lm, run, options);
  // The run that the senders' values come from: an effect of 1.
  const at::Tensor source = Experiments(lm, run.corrupt, {}).logits();
  ReadingTargets targets{pairs.answer, pairs.wrong, {}, {}};
  if (reading == Reading::kKl) targets.clean_logits = Experiments(lm, run.clean, {}).logits();
  const at::Tensor &base = grid.clean.at(reading), goal = read(reading, source, targets);
  const auto effect = [&](const at::Tensor& patched, std::vector<std::string> axes) {
    for (const std::string& axis : receiver_axes(options.receiver)) axes.push_back(axis);
    return NamedEffects{normalised_effect(patched, base, goal), std::move(axes)};
  };
  const at::Tensor &heads = grid.heads.at(reading), &mlps = grid.mlps.at(reading);
  PatchResult result;
  result.effects = {{"effect", effect(heads, {"layer", "head"})},
                    {"effect_mlps", effect(mlps, {"layer"})}};
  result.readings = {{"patched", heads}, {"patched_mlps", mlps}, {"base", base}, {"goal", goal}};
  return result;
}

}  // namespace weir::cli
