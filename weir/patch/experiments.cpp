#include "weir/patch/experiments.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/interrupt.h"

namespace weir {
namespace {

// Tokens of one forward: enough for products that use the machine, little enough that activations
// of a wide model stay below a few hundred MB.
constexpr int64_t kTokensAtOnce = 4096;

at::Tensor repeated(const at::Tensor& rows, int64_t times) {
  std::vector<int64_t> shape(static_cast<size_t>(rows.dim()), 1);
  shape[0] = times;
  return rows.repeat(shape);
}

}  // namespace

Experiments::Experiments(const LanguageModel& lm, const TokenBatch& batch,
                         const std::vector<std::string>& names,
                         const std::vector<Intervention>& interventions)
    : lm_(lm), batch_(batch) {
  const at::NoGradGuard no_grad;
  RunOptions run;
  run.interventions = interventions;
  run.cache = CacheOptions{};
  run.cache->names = names;
  run.cache->names.push_back("blocks.*.hook_resid_pre");
  run.logits = LogitsAt::kLast;
  RunResult result = lm.run(batch, run);
  cache_ = std::move(result.cache);
  logits_ = result.logits.select(1, 0);
}

at::Tensor Experiments::run_rows(int64_t layer, int64_t times, RunOptions run) const {
  TokenBatch rows;
  rows.tokens = repeated(batch_.tokens, times);
  if (batch_.attention_mask.defined()) rows.attention_mask = repeated(batch_.attention_mask, times);
  run.start = Start{layer, repeated(cache_[fmt::format("blocks.{}.hook_resid_pre", layer)], times)};
  run.logits = LogitsAt::kLast;
  return lm_.run(rows, run).logits.select(1, 0).unflatten(0, {times, n_prompts()});
}

at::Tensor Experiments::run_block(int64_t layer, const std::string& name,
                                  const at::Tensor& value) const {
  RunOptions run;
  Intervention given;
  given.where = name;
  given.value = value;
  run.interventions = {given};
  return run_rows(layer, value.size(0) / n_prompts(), std::move(run));
}

void Experiments::run_hooked(int64_t layer, int64_t n, const HooksOf& hooks_of,
                             const Reader& reader) const {
  const at::NoGradGuard no_grad;
  const int64_t block = std::max<int64_t>(1, kTokensAtOnce / batch_.tokens.numel());
  for (int64_t first = 0; first < n; first += block) {
    throw_if_interrupted();
    const int64_t count = std::min(block, n - first);
    RunOptions run;
    run.hooks = hooks_of(first, count);
    reader(first, run_rows(layer, count, std::move(run)));
  }
}

void Experiments::run(int64_t layer, const std::string& site, int64_t n, const Change& change,
                      const Reader& reader) const {
  const at::NoGradGuard no_grad;
  const std::string name = fmt::format("blocks.{}.{}", layer, site);
  const at::Tensor& own = cache_[name];
  const int64_t block = std::max<int64_t>(1, kTokensAtOnce / batch_.tokens.numel());
  for (int64_t first = 0; first < n; first += block) {
    throw_if_interrupted();
    const int64_t count = std::min(block, n - first);
    const at::Tensor value = repeated(own, count);
    for (int64_t e = 0; e < count; ++e) {
      change(first + e, value.slice(0, e * n_prompts(), (e + 1) * n_prompts()));
    }
    reader(first, run_block(layer, name, value));
  }
}

}  // namespace weir
