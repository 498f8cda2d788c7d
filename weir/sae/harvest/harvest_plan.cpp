#include "weir/sae/harvest/harvest_plan.h"

#include <algorithm>
#include <filesystem>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/memory.h"

namespace weir {
namespace {

constexpr double kShardBytes = 128e6;  // About what a shard is.
constexpr double kShareOfMemory = 0.75;

// Numbers that are alive for a token at once in a forward: the stream and what a block computes
// from it, and the sites that are kept.
double numbers_per_token(const ModelConfig& config, int64_t length, int64_t kept) {
  const double stream = 6.0 * static_cast<double>(config.d_model);
  const double heads = static_cast<double>(config.d_head) *
                       static_cast<double>(3 * config.n_heads + 2 * config.n_kv_heads);
  const double maps = 2.0 * static_cast<double>(config.n_heads * length);
  const double mlp = 3.0 * static_cast<double>(config.d_mlp);
  return stream + std::max(heads + maps, mlp) + 2.0 * static_cast<double>(kept);
}

}  // namespace

HarvestPlan plan_harvest(const LanguageModel& lm, const Harvester& harvester,
                         const HarvestOptions& options, const HarvestSize& size,
                         const std::string& folder) {
  HarvestPlan plan;
  const int64_t length = harvester.context_length();
  int64_t width = 0;
  for (const data::ActivationSite& site : harvester.sites()) width += site.width;
  plan.n_contexts = size.n_contexts;
  plan.n_tokens = size.n_contexts * length;
  plan.weights = static_cast<double>(n_bytes(lm.transformer().weights()));
  plan.available_memory = static_cast<double>(available_memory());
  const double budget = size.memory > 0 ? size.memory : kShareOfMemory * plan.available_memory;
  const double element = static_cast<double>(c10::elementSize(size.dtype));
  const double context_row = static_cast<double>(width) * static_cast<double>(length);
  const double per_context =
      numbers_per_token(lm.config(), length, width) * static_cast<double>(length) * 4;
  plan.limits = options.max_norm_multiple > 0
                    ? static_cast<double>(std::min(options.limit_tokens, plan.n_tokens)) *
                          static_cast<double>(width) * 8
                    : 0;
  const int64_t wanted_batch =
      options.batch_contexts > 0 ? options.batch_contexts : std::max<int64_t>(1, 4096 / length);
  // A shard while it is joined, written and counted: rows twice.
  const double shard_context = 2 * context_row * element + 12 * static_cast<double>(length);
  const double shard_bytes = std::min(2 * kShardBytes, budget / 3);
  plan.contexts_per_shard =
      std::clamp<int64_t>(static_cast<int64_t>(shard_bytes / shard_context), 1, plan.n_contexts);
  plan.buffer = static_cast<double>(plan.contexts_per_shard) * shard_context;
  const double left = budget - std::max(plan.limits, plan.buffer);
  plan.batch_contexts =
      std::min(wanted_batch, static_cast<int64_t>(std::max(0.0, left) / per_context));
  if (plan.batch_contexts < 1) {
    fail(ErrorCode::kInvalidArgument,
         "harvest: {} of memory do not hold one context of {} tokens ({}); give more, shorter "
         "contexts or fewer sites",
         memory_text(budget), length, memory_text(per_context + budget - left));
  }
  plan.forward = static_cast<double>(plan.batch_contexts) * per_context;
  plan.disk = static_cast<double>(plan.n_tokens) * (static_cast<double>(width) * element + 4 + 8);
  std::error_code unknown;
  std::filesystem::path place = std::filesystem::absolute(folder, unknown);
  while (!std::filesystem::exists(place, unknown) && place.has_parent_path() &&
         place != place.parent_path()) {
    place = place.parent_path();
  }
  const auto space = std::filesystem::space(place, unknown);
  if (!unknown) plan.available_disk = static_cast<double>(space.available);
  if (!unknown && plan.disk > plan.available_disk) {
    fail(ErrorCode::kUnavailable, "{}: the store needs up to {}, {} are left", folder,
         memory_text(plan.disk), memory_text(plan.available_disk));
  }
  return plan;
}

Report plan_report(const HarvestPlan& plan) {
  TableBlock table{"Plan", {"what", "size"}, {}, ""};
  const auto add = [&](const char* what, const std::string& size) {
    table.rows.push_back({std::string(what), size});
  };
  table.rows = {{std::string("tokens"), plan.n_tokens},
                {std::string("contexts"), plan.n_contexts},
                {std::string("contexts a forward"), plan.batch_contexts},
                {std::string("contexts a shard"), plan.contexts_per_shard}};
  add("weights", memory_text(plan.weights));
  add("a forward, at most", memory_text(plan.forward));
  add("rows on their way", memory_text(std::max(plan.buffer, plan.limits)));
  add("memory available", memory_text(plan.available_memory));
  add("store on disk, at most", memory_text(plan.disk));
  add("disk available", memory_text(plan.available_disk));
  return {"Plan of the harvest", {}, {std::move(table)}};
}

}  // namespace weir
