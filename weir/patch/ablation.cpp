#include "weir/patch/ablation.h"

#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/patch/grid_sites.h"

namespace weir {
namespace {

ActivationCache cached(const LanguageModel& lm, const TokenBatch& prompts,
                       const std::vector<std::string>& names) {
  const at::NoGradGuard no_grad;
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = names;
  run.logits = LogitsAt::kNone;
  return lm.run(prompts, run).cache;
}

/// Means [B, ...] of an activation of the reference [R, ...]: each prompt's group's.
at::Tensor group_means(const at::Tensor& activation, const CircuitReference& reference) {
  std::map<int64_t, at::Tensor> means;
  std::vector<at::Tensor> rows;
  for (const int64_t group : reference.prompt_group) {
    if (means.count(group) == 0) {
      std::vector<int64_t> members;
      for (size_t r = 0; r < reference.group.size(); ++r) {
        if (reference.group[r] == group) members.push_back(static_cast<int64_t>(r));
      }
      require(!members.empty(), "circuit: expected reference prompts of group {}, got none", group);
      means[group] = activation.index_select(0, at::tensor(members, at::kLong)).mean(0);
    }
    rows.push_back(means[group]);
  }
  return at::stack(rows);
}

HookFn keeping(const at::Tensor& kept, const at::Tensor& otherwise) {
  return [kept, otherwise](const at::Tensor& x, const HookContext&) {
    return at::where(kept, x, otherwise);
  };
}

}  // namespace

PatchGrid ablation_grid(const LanguageModel& lm, const TokenBatch& prompts,
                        const at::Tensor& answer, const at::Tensor& wrong, GridOptions options) {
  options.direction = PatchDirection::kNoise;
  return patch_grid(lm, {prompts, prompts, answer, wrong}, options);
}

std::vector<Intervention> ablation_interventions(const LanguageModel& lm, const TokenBatch& prompts,
                                                 const AblationSet& set, PatchValue value,
                                                 const at::Tensor& resample) {
  std::vector<Intervention> all;
  const auto add = [&](const std::string& where, std::optional<std::vector<int64_t>> heads) {
    const ActivationCache cache = cached(lm, prompts, {where});
    Intervention one;
    one.where = where;
    one.heads = std::move(heads);
    one.value = patch_value(cache[where], value, resample).contiguous();
    if (value == PatchValue::kZero) one.value = at::zeros({1}, one.value.options());
    all.push_back(std::move(one));
  };
  std::map<int64_t, std::vector<int64_t>> by_layer;
  for (const auto& [layer, head] : set.heads) by_layer[layer].push_back(head);
  for (const auto& [layer, heads] : by_layer) {
    add(fmt::format("blocks.{}.attn.hook_z", layer), heads);
  }
  for (const int64_t layer : set.mlps) add(fmt::format("blocks.{}.hook_mlp_out", layer), {});
  return all;
}

at::Tensor circuit_logits(const LanguageModel& lm, const TokenBatch& prompts,
                          const Circuit& circuit, const CircuitReference& reference) {
  const at::NoGradGuard no_grad;
  require(reference.prompts.tokens.size(1) == prompts.tokens.size(1),
          "circuit: expected reference prompts of {} tokens, got {}", prompts.tokens.size(1),
          reference.prompts.tokens.size(1));
  const ActivationCache means = cached(lm, reference.prompts, {"*attn.hook_z", "*hook_mlp_out"});
  RunOptions run;
  for (int64_t layer = 0; layer < lm.config().n_layers; ++layer) {
    // A head's write is z W_O, so that its mean is the mean of z times W_O.
    const std::string z = fmt::format("blocks.{}.attn.hook_z", layer);
    const at::Tensor kept = circuit.heads[layer].permute({1, 2, 0}).unsqueeze(-1);  // [B, T, H, 1]
    run.hooks.emplace_back(z, keeping(kept, group_means(means[z], reference)));
    if (!circuit.mlps.defined()) continue;
    const std::string out = fmt::format("blocks.{}.hook_mlp_out", layer);
    run.hooks.emplace_back(
        out, keeping(circuit.mlps[layer].unsqueeze(-1), group_means(means[out], reference)));
  }
  run.logits = LogitsAt::kLast;
  return lm.run(prompts, run).logits.select(1, 0);
}

}  // namespace weir
