#include "weir/patch/grids.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/patch/experiments.h"
#include "weir/patch/grid_sites.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

void check(const PatchPairs& pairs) {
  check_shape(pairs.clean);
  check_shape(pairs.corrupt);
  require(pairs.clean.tokens.sizes() == pairs.corrupt.tokens.sizes(),
          "patch: expected clean and corrupt prompts of the same length, got {} and {}",
          c10::str(pairs.clean.tokens.sizes()), c10::str(pairs.corrupt.tokens.sizes()));
}

/// The run that is patched, the one that gives the values, and what they are read by.
struct Runs {
  Runs(const LanguageModel& lm, const PatchPairs& pairs, const std::vector<std::string>& names,
       const GridOptions& options)
      : is_denoise(options.direction == PatchDirection::kDenoise),
        base(lm, is_denoise ? pairs.corrupt : pairs.clean, names),
        source(lm, is_denoise ? pairs.clean : pairs.corrupt, names) {
    targets.answer = pairs.answer;
    targets.wrong = pairs.wrong;
    targets.clean_logits = (is_denoise ? source : base).logits();
    targets.vector = options.vector;
  }
  void fill(PatchGrid* grid, const std::vector<Reading>& readings) const {
    for (const Reading reading : readings) {
      grid->base[reading] = read(reading, base.logits(), targets);
      grid->goal[reading] = read(reading, source.logits(), targets);
    }
  }

  bool is_denoise;
  Experiments base, source;
  ReadingTargets targets;
};

std::vector<int64_t> shape_of(const std::vector<std::pair<std::string, int64_t>>& axes,
                              int64_t n_layers) {
  std::vector<int64_t> shape = {n_layers};
  for (const auto& [name, length] : axes) shape.push_back(length);
  return shape;
}

/// Indices of the entries that change the same positions.
std::map<int64_t, std::vector<int64_t>> by_position(const std::vector<GridEntry>& entries) {
  std::map<int64_t, std::vector<int64_t>> groups;
  for (size_t i = 0; i < entries.size(); ++i) {
    groups[entries[i].position].push_back(static_cast<int64_t>(i));
  }
  return groups;
}

/// (source - own) x gradient of every layer.
void estimate(const GridSite& site, const ActivationCache& source, const ActivationCache& own,
              const std::map<std::string, at::Tensor>& gradients, Reading reading,
              PatchGrid* grid) {
  std::vector<at::Tensor> layers;
  for (int64_t layer = 0;; ++layer) {
    const std::string name = fmt::format("blocks.{}.{}", layer, site.hook);
    if (gradients.count(name) == 0) break;
    const at::Tensor& gradient = gradients.at(name);
    at::Tensor change = source[name] - own[name].detach();
    change = gradient.defined() ? change * gradient : at::zeros_like(change);
    layers.push_back(site.is_pattern ? change.permute({1, 2, 3, 0})  // [H, query, key, B]
                                     : change.sum(-1).movedim(0, -1));
  }
  grid->is_estimate = true;
  grid->axes = site.is_pattern  ? std::vector<std::string>{"layer", "head", "query", "key"}
               : site.has_heads ? std::vector<std::string>{"layer", "position", "head"}
                                : std::vector<std::string>{"layer", "position"};
  grid->readings[reading] = at::stack(layers);
}

}  // namespace

PatchPairs pairs_of(const PromptSet& set) {
  for (int64_t n = 0; n < set.size(); ++n) {
    const Prompt& prompt = set.prompts[static_cast<size_t>(n)];
    require(
        prompt.clean.tokens.size() == prompt.corrupt.tokens.size(),
        "patch: expected a partner of the same length, prompt {} has {} tokens and its partner {}",
        n, prompt.clean.tokens.size(), prompt.corrupt.tokens.size());
  }
  PatchPairs pairs{left_pad(set.clean_rows()), left_pad(set.corrupt_rows()), set.answers(), {}};
  if (set.has_wrong()) pairs.wrong = set.wrongs();
  return pairs;
}

at::Tensor PatchGrid::effect(Reading reading) const {
  const at::Tensor &from = base.at(reading), &to = goal.at(reading);
  const at::Tensor& value = readings.at(reading);
  if (!is_estimate) return normalised_effect(value, from, to);
  return value.to(at::kDouble).mean(-1) / (to - from).to(at::kDouble).mean();
}

PatchGrid patch_grid(const LanguageModel& lm, const PatchPairs& pairs, const GridOptions& options) {
  check(pairs);
  const GridSite site = grid_site(options.kind, lm.config());
  const Runs runs(lm, pairs, {"blocks.*." + site.hook}, options);
  const int64_t n_layers = lm.config().n_layers;
  const auto name = [&](int64_t layer) { return fmt::format("blocks.{}.{}", layer, site.hook); };
  const auto shape = runs.base.cache()[name(0)].sizes();
  const std::vector<GridEntry> entries = grid_entries(site, options.scope, shape);
  const auto axes = grid_axes(site, options.scope, shape);
  PatchGrid grid;
  grid.axes = {"layer"};
  for (const auto& [axis, length] : axes) grid.axes.push_back(axis);
  runs.fill(&grid, options.readings);
  std::vector<int64_t> result = shape_of(axes, n_layers);
  result.push_back(pairs.clean.tokens.size(0));
  for (const Reading reading : options.readings) {
    grid.readings[reading] = at::empty(result, grid.base[reading].options());
  }
  Progress progress("patching " + options.kind, static_cast<uint64_t>(n_layers) * entries.size(),
                    "experiments");
  for (int64_t layer = 0; layer < n_layers; ++layer) {
    const at::Tensor source =
        patch_value(runs.source.cache()[name(layer)], options.value, options.resample);
    for (const auto& [position, indices] : by_position(entries)) {
      ChangedPoint point{layer, site.hook};
      if (position >= 0) point.first = position, point.last = position + 1;
      const at::Tensor rows_read = at::tensor(indices);
      runs.base.run(
          point, static_cast<int64_t>(indices.size()),
          [&, &chosen = indices](int64_t e, const at::Tensor& rows) {
            const GridEntry& entry = entries[static_cast<size_t>(chosen[static_cast<size_t>(e)])];
            GridEntry within = entry;
            if (entry.position >= 0) within.position = 0;
            part_of(rows, site, within).copy_(part_of(source, site, entry));
          },
          [&](int64_t first, const at::Tensor& logits) {
            const at::Tensor at = rows_read.slice(0, first, first + logits.size(0));
            for (const Reading reading : options.readings) {
              at::Tensor sheet = grid.readings[reading][layer];
              sheet.view({-1, sheet.size(-1)})
                  .index_copy_(0, at, read(reading, logits, runs.targets));
            }
            progress.advance(static_cast<uint64_t>(logits.size(0)));
          });
    }
  }
  return grid;
}

std::map<std::string, PatchGrid> attribution_grids(const LanguageModel& lm, const PatchPairs& pairs,
                                                   const std::vector<std::string>& kinds,
                                                   const GridOptions& options) {
  check(pairs);
  const bool is_denoise = options.direction == PatchDirection::kDenoise;
  RunOptions run;
  run.cache = CacheOptions{};
  for (const std::string& kind : kinds) {
    run.cache->names.push_back("blocks.*." + grid_site(kind, lm.config()).hook);
  }
  run.logits = LogitsAt::kLast;
  const RunResult source = lm.run(is_denoise ? pairs.clean : pairs.corrupt, run);
  run.cache->gradients = true;
  const RunResult own = lm.run(is_denoise ? pairs.corrupt : pairs.clean, run);
  const at::Tensor goal = source.logits.select(1, 0), base = own.logits.select(1, 0);
  ReadingTargets targets{pairs.answer, pairs.wrong, (is_denoise ? goal : base).detach(),
                         options.vector};
  std::map<std::string, PatchGrid> grids;
  for (const Reading reading : options.readings) {
    require(reading != Reading::kRank, "attribution patching: a rank has no gradient");
    const at::Tensor value = read(reading, base, targets);
    const auto gradients = own.cache.gradients(value.sum());
    for (const std::string& kind : kinds) {
      PatchGrid& grid = grids[kind];
      grid.base[reading] = value.detach();
      grid.goal[reading] = read(reading, goal, targets);
      estimate(grid_site(kind, lm.config()), source.cache, own.cache, gradients, reading, &grid);
    }
  }
  return grids;
}

}  // namespace weir
