#include "weir/patch/steering.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

namespace weir {
namespace {

at::Tensor mean_at(const LanguageModel& lm, const TokenBatch& batch, const at::Tensor& position,
                   int64_t layer) {
  const std::string name = fmt::format("blocks.{}.hook_resid_pre", layer);
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {name};
  run.stop_when_cached = true;
  const at::Tensor stream = lm.run(batch, run).cache[name];
  return stream.index({at::arange(stream.size(0), at::kLong), position}).mean(0);
}

}  // namespace

at::Tensor steering_vector(const LanguageModel& lm, const TokenBatch& towards,
                           const at::Tensor& towards_position, const TokenBatch& away,
                           const at::Tensor& away_position, int64_t layer) {
  const at::NoGradGuard no_grad;
  return mean_at(lm, towards, towards_position, layer) - mean_at(lm, away, away_position, layer);
}

Intervention steering(const at::Tensor& vector, int64_t layer, double alpha, bool at_end) {
  Intervention one;
  one.where = fmt::format("blocks.{}.hook_resid_pre", layer);
  one.op = Intervention::Op::kAdd;
  one.value = vector * alpha;
  if (at_end) one.positions = std::vector<int64_t>{-1};
  return one;
}

}  // namespace weir
