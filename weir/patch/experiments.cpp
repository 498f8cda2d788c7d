#include "weir/patch/experiments.h"

#include <algorithm>
#include <array>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/interrupt.h"

namespace weir {
namespace {

// Tokens of one forward: enough for products that use the machine, little enough that activations
// of a wide model stay below a few hundred MB.
constexpr int64_t kTokensAtOnce = 4096;
// With the positions before them, whose keys and values each row holds for the length of a layer.
constexpr int64_t kKeysAtOnce = 4 * kTokensAtOnce;

at::Tensor repeated(const at::Tensor& rows, int64_t times) {
  std::vector<int64_t> shape(static_cast<size_t>(rows.dim()), 1);
  shape[0] = times;
  return rows.repeat(shape);
}

int64_t position_axis(const std::string& site) {
  return site == "attn.hook_pattern" || site == "attn.hook_attn_scores" ? 2 : 1;
}

// Where a change at some positions changes what the block leaves at those positions alone.
bool is_local(const std::string& site) {
  constexpr std::array<const char*, 4> kLocal = {"attn.hook_z", "hook_attn_out", "hook_resid_mid",
                                                 "hook_resid_post"};
  return std::find(kLocal.begin(), kLocal.end(), site) != kLocal.end();
}

std::string name_of(int64_t layer, const std::string& site) {
  return fmt::format("blocks.{}.{}", layer, site);
}

}  // namespace

Experiments::Experiments(const LanguageModel& lm, const TokenBatch& batch,
                         const std::vector<std::string>& names,
                         const std::vector<Intervention>& interventions)
    : lm_(lm), batch_(batch), keys_(lm.config().n_layers) {
  const at::NoGradGuard no_grad;
  RunOptions run;
  run.interventions = interventions;
  run.cache = CacheOptions{};
  run.cache->names = names;
  run.cache->names.push_back("blocks.*.hook_resid_pre");
  run.cache->names.push_back(name_of(lm.config().n_layers - 1, "hook_resid_post"));
  run.keys = &keys_;
  run.logits = LogitsAt::kLast;
  RunResult result = lm.run(batch, run);
  cache_ = std::move(result.cache);
  logits_ = result.logits.select(1, 0);
}

void Experiments::in_blocks(int64_t position, int64_t n, const Block& block) const {
  const at::NoGradGuard no_grad;
  const int64_t rows =
      std::min(kTokensAtOnce / (n_positions() - position), kKeysAtOnce / n_positions());
  const int64_t most = std::max<int64_t>(1, rows / n_prompts());
  for (int64_t first = 0; first < n; first += most) {
    throw_if_interrupted();
    block(first, std::min(most, n - first));
  }
}

// [times B, positions from there on, D] entering `layer`; of layer L: what leaves the last block.
at::Tensor Experiments::stream(int64_t layer, int64_t position, int64_t times) const {
  const bool is_last = layer == lm_.config().n_layers;
  const std::string name =
      is_last ? name_of(layer - 1, "hook_resid_post") : name_of(layer, "hook_resid_pre");
  return repeated(cache_[name].slice(1, position), times);
}

at::Tensor Experiments::logits_from(int64_t layer, int64_t position, const at::Tensor& residual,
                                    const Hooks& hooks) const {
  const int64_t times = residual.size(0) / n_prompts();
  KvCache keys = keys_.continued(position, times);
  ForwardInput input;
  input.residual = residual;
  input.start_layer = layer;
  if (batch_.attention_mask.defined()) {
    input.attention_mask = repeated(batch_.attention_mask, times).to(lm_.device());
  }
  if (position > 0) input.cache = &keys;
  input.logits = LogitsAt::kLast;
  input.hooks = &hooks;
  const at::Tensor logits = lm_.transformer().forward(input).logits;
  return logits.select(1, 0).unflatten(0, {times, n_prompts()});
}

void Experiments::run_hooked(int64_t layer, int64_t position, int64_t n, const HooksOf& hooks_of,
                             const Reader& reader) const {
  in_blocks(position, n, [&](int64_t first, int64_t count) {
    Hooks hooks = lm_.make_hooks();
    for (const auto& [glob, function] : hooks_of(first, count)) hooks.add(glob, function);
    reader(first, logits_from(layer, position, stream(layer, position, count), hooks));
  });
}

// The activation of `count` experiments from the point's first position on.
at::Tensor Experiments::changed(const ChangedPoint& point, int64_t first, int64_t count,
                                const Change& change) const {
  const int64_t axis = position_axis(point.site);
  const at::Tensor own = cache_[name_of(point.layer, point.site)].slice(axis, point.first);
  const at::Tensor value = repeated(own, count);
  for (int64_t e = 0; e < count; ++e) {
    const at::Tensor rows = value.slice(0, e * n_prompts(), (e + 1) * n_prompts());
    change(first + e, rows.slice(axis, 0, point.last - point.first));
  }
  return value;
}

// [E B, positions from the first on, D] entering the next block, when the point is local: the block
// runs at the changed positions only.
at::Tensor Experiments::after_block(const ChangedPoint& point, const at::Tensor& value) const {
  const int64_t n = point.last - point.first, times = value.size(0) / n_prompts();
  Hooks hooks = lm_.make_hooks();
  hooks.give(name_of(point.layer, point.site), value.slice(1, 0, n));
  ForwardInput input;
  input.residual = stream(point.layer, point.first, times).slice(1, 0, n);
  input.start_layer = point.layer;
  input.stop_at_layer = point.layer + 1;
  input.logits = LogitsAt::kNone;
  input.hooks = &hooks;
  at::Tensor after = stream(point.layer + 1, point.first, times);
  after.slice(1, 0, n).copy_(lm_.transformer().forward(input).residual);
  return after;
}

void Experiments::run(const ChangedPoint& where, int64_t n, const Change& change,
                      const Reader& reader) const {
  ChangedPoint point = where;
  if (point.last < 0) point.last = n_positions();
  in_blocks(point.first, n, [&](int64_t first, int64_t count) {
    const at::Tensor value = changed(point, first, count, change);
    Hooks hooks = lm_.make_hooks();
    if (is_local(point.site)) {
      reader(first, logits_from(point.layer + 1, point.first, after_block(point, value), hooks));
      return;
    }
    hooks.give(name_of(point.layer, point.site), value);
    reader(first,
           logits_from(point.layer, point.first, stream(point.layer, point.first, count), hooks));
  });
}

}  // namespace weir
