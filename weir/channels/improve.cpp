#include "weir/channels/improve.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/draw.h"
#include "weir/lm/token_batch.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

std::vector<double> means_by_place(const at::Tensor& right, const std::vector<int64_t>& place) {
  const int64_t n = *std::max_element(place.begin(), place.end()) + 1;
  std::vector<double> sums(static_cast<size_t>(n), 0), counts(static_cast<size_t>(n), 0);
  for (size_t i = 0; i < place.size(); ++i) {
    const auto p = static_cast<size_t>(place[i]);
    sums[p] += right[static_cast<int64_t>(i)].item<double>();
    counts[p] += 1;
  }
  for (size_t p = 0; p < sums.size(); ++p) sums[p] /= std::max(counts[p], 1.0);
  return sums;
}

/// As many components as were searched, of the same layers.
std::vector<ComponentId> random_components(const LanguageModel& lm, int64_t first_layer, int64_t n,
                                           uint64_t seed) {
  Draw draw(seed);
  const ModelConfig& config = lm.config();
  std::vector<ComponentId> all;
  for (int64_t l = first_layer; l < config.n_layers; ++l) {
    for (int64_t h = 0; h < config.n_heads; ++h) {
      for (int64_t k = 0; k < config.d_head; ++k) all.push_back({{l, h}, k});
    }
  }
  return draw.pick(std::move(all), static_cast<size_t>(n));
}

}  // namespace

TaskSteering steer_and_dial(const LanguageModel& lm, const PromptSet& dev, const PromptSet& test,
                            const SteerTaskOptions& options) {
  TaskSteering steering{steer_task(lm, dev, test, options.subspace, options.steering), {}};
  if (!options.mover) return steering;
  const PromptSet few = split(test, options.dial_prompts).first;
  RegionOptions regions;
  regions.mover = *options.mover;
  const int64_t c = options.subspace.basis.size(1);
  regions.alpha = alpha_grid(c, options.radius, options.dial_points);
  regions.hull = c <= 3;
  steering.dial = dial_of(
      region_map(lm, left_pad(few.clean_rows()), item_positions(few), options.subspace, regions));
  return steering;
}

ImprovedWeights improve_weights(const LanguageModel& lm, const PromptSet& dev,
                                const PromptSet& test, const EditSearchOptions& options,
                                int64_t n_controls, uint64_t seed) {
  const Weights& own = lm.transformer().weights();
  const at::Tensor clean = is_right(lm, test);
  const std::vector<int64_t> places = places_of(test);
  const auto right_with = [&](const EditSearch& search) {
    if (search.scales.empty()) return clean;
    if (options.last_only) {
      return is_right(
          lm, test, {nullptr, steer_components(own, lm.config(), search.scales, options.circuits)});
    }
    const Weights edited = scale_components(own, lm.config(), search.scales, options.circuits);
    return is_right(lm, test, {&edited, {}});
  };
  ImprovedWeights improved;
  improved.last_only = options.last_only;
  improved.search = search_edit(lm, dev, options);
  const at::Tensor right = right_with(improved.search);
  improved.baseline = bootstrap_mean(to_doubles(clean));
  improved.edited = bootstrap_mean(to_doubles(right));
  improved.gain = bootstrap_mean(to_doubles(right - clean));
  improved.baseline_by_place = means_by_place(clean, places);
  improved.by_place = means_by_place(right, places);
  for (int64_t r = 0; r < n_controls; ++r) {
    EditSearchOptions control = options;
    const int64_t first = options.first_layer < 0 ? lm.config().n_layers / 2 : options.first_layer;
    control.candidates =
        random_components(lm, first, options.n_components, seed + 1 + static_cast<uint64_t>(r));
    const EditSearch search = search_edit(lm, dev, control);
    improved.control_gains.push_back(bootstrap_mean(to_doubles(right_with(search) - clean)));
    improved.control_losses.push_back(search.loss_increase);
  }
  return improved;
}

std::pair<PromptSet, PromptSet> split(const PromptSet& set, int64_t n) {
  std::pair<PromptSet, PromptSet> parts{{set.task, set.seed, {}}, {set.task, set.seed, {}}};
  for (int64_t i = 0; i < set.size(); ++i) {
    (i < n ? parts.first : parts.second).prompts.push_back(set.prompts[static_cast<size_t>(i)]);
  }
  return parts;
}

}  // namespace weir
