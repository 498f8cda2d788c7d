#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/ScalarType.h>

#include "weir/report/report.h"
#include "weir/sae/harvest/harvester.h"

namespace weir {

/// What a harvest will take, in bytes, before it begins.
struct HarvestPlan {
  int64_t n_contexts = 0, n_tokens = 0;
  int64_t batch_contexts = 0, contexts_per_shard = 0;
  double weights = 0;  ///< Of the model, in memory already.
  double forward = 0;  ///< At the height of one forward, an estimate from above.
  double limits = 0;   ///< The first contexts, kept until the medians are known.
  double buffer = 0;   ///< Rows on their way into a shard, or to be handed out.
  double disk = 0;     ///< Of the finished store, if nothing is left out.
  double available_memory = 0, available_disk = 0;  ///< Now. 0: unknown.

  /// Beyond the weights.
  double memory() const { return forward + std::max(limits, buffer); }
};

struct HarvestSize {
  int64_t n_contexts = 0;
  at::ScalarType dtype = at::kFloat;  ///< Of the store.
  /// Most bytes beyond the weights; 0: three quarters of what is available.
  double memory = 0;
};

/// Plans a harvest into `folder`: chooses the batch and the shards so that it fits.
/// kInvalidArgument when not even one context at a time does; kUnavailable when the disk has not
/// enough room.
HarvestPlan plan_harvest(const LanguageModel& lm, const Harvester& harvester,
                         const HarvestOptions& options, const HarvestSize& size,
                         const std::string& folder);

/// As a table.
Report plan_report(const HarvestPlan& plan);

}  // namespace weir
