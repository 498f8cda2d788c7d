#include "weir/recall/effects.h"

#include <ATen/ATen.h>

#include "weir/patch/path_patching.h"

namespace weir {

RecallEffects path_effects(const LanguageModel& lm, const TokenBatch& prompts,
                           const at::Tensor& answers, const at::Tensor& subjects,
                           bool freeze_mlps) {
  PathOptions options;
  options.freeze_mlps = freeze_mlps;
  options.readings = {Reading::kPi, Reading::kLogitDiff};
  const PathGrid grid = path_grid(lm, {prompts, prompts, answers, subjects}, options);
  const auto change = [&](const std::map<Reading, at::Tensor>& patched, Reading reading) {
    return patched.at(reading) - grid.clean.at(reading);
  };
  RecallEffects effects;
  effects.answer = {change(grid.heads, Reading::kPi), change(grid.mlps, Reading::kPi)};
  // pi(subject) is pi(answer) less their logit difference.
  effects.subject = {effects.answer.heads - change(grid.heads, Reading::kLogitDiff),
                     effects.answer.mlps - change(grid.mlps, Reading::kLogitDiff)};
  return effects;
}

at::Tensor sparsify(const at::Tensor& effect, double theta) {
  const at::Tensor size = effect.abs().flatten();
  const at::Tensor falling = std::get<0>(size.sort(/*dim=*/0, /*descending=*/true));
  const double total = theta * size.sum().item<double>();
  const auto n_kept = (falling.cumsum(0) <= total).sum().item<int64_t>();
  if (theta >= 1 || n_kept >= size.numel()) return effect.clone();
  return at::where(effect.abs() >= falling[n_kept], effect, at::zeros_like(effect));
}

}  // namespace weir
