#include "weir/patch/grid_report.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr size_t kLargest = 20;  // Rows of the table.

bool is_place(const std::string& axis) {
  return axis == "position" || axis == "query" || axis == "key";
}

std::vector<std::string> ticks(const std::string& axis, int64_t n,
                               const std::vector<std::string>& positions) {
  return is_place(axis) ? positions : counted(static_cast<size_t>(n));
}

HeatMapBlock map_of(const std::string& title, const at::Tensor& effect, const std::string& x_axis,
                    const std::vector<std::string>& positions, const std::string& value_label) {
  HeatMapBlock map = head_map(title, value_label, to_rows(effect));
  map.x_label = x_axis;
  map.x_ticks = ticks(x_axis, effect.size(1), positions);
  return map;
}

/// [layer, head] of effects [layer, head, ...]: of each head the entry that is furthest from 0.
at::Tensor furthest(const at::Tensor& effect) {
  const at::Tensor flat = effect.flatten(2);
  return flat.gather(2, flat.abs().nan_to_num().argmax(2, true)).squeeze(2);
}

/// Layer and head first, then the other axes in their order.
NamedEffects heads_first(const NamedEffects& found) {
  const auto head = std::find(found.axes.begin(), found.axes.end(), "head");
  const auto at = head - found.axes.begin();
  NamedEffects moved{found.effect.movedim(at, 1), found.axes};
  std::rotate(moved.axes.begin() + 1, moved.axes.begin() + at, moved.axes.begin() + at + 1);
  return moved;
}

TableBlock largest(const std::string& title, const NamedEffects& found,
                   const std::vector<std::string>& positions, const std::string& value_label) {
  const std::vector<double> values = to_doubles(found.effect.flatten());
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto size = [&](size_t i) { return std::isfinite(values[i]) ? std::abs(values[i]) : -1; };
  const size_t n = std::min(kLargest, order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), order.end(),
      [&](size_t a, size_t b) { return size(a) != size(b) ? size(a) > size(b) : a < b; });
  TableBlock table{title + ": largest", {"where", value_label}, {}, ""};
  for (size_t i = 0; i < n; ++i) {
    table.rows.push_back(
        {effect_name(found, static_cast<int64_t>(order[i]), positions), values[order[i]]});
  }
  table.note = fmt::format("{} entries", values.size());
  return table;
}

}  // namespace

std::vector<std::string> position_names(const LanguageModel& lm, const TokenBatch& batch) {
  std::vector<std::string> names;
  const at::Tensor first = batch.tokens[0];
  for (int64_t t = 0; t < batch.tokens.size(1); ++t) {
    const bool same = batch.tokens.select(1, t).eq(first[t]).all().item<bool>();
    names.push_back(
        fmt::format("{} {}{}", t, lm.token_text(first[t].item<int64_t>()), same ? "" : "..."));
  }
  return names;
}

std::string effect_name(const NamedEffects& found, int64_t flat_index,
                        const std::vector<std::string>& positions) {
  std::vector<int64_t> index(found.axes.size());
  for (size_t axis = index.size(); axis-- > 0;) {
    const int64_t length = found.effect.size(static_cast<int64_t>(axis));
    index[axis] = flat_index % length;
    flat_index /= length;
  }
  const auto of = [&](const char* axis) {
    const auto at = std::find(found.axes.begin(), found.axes.end(), axis);
    return at == found.axes.end() ? int64_t{-1}
                                  : index[static_cast<size_t>(at - found.axes.begin())];
  };
  const auto place = [&](const char* axis) { return positions[static_cast<size_t>(of(axis))]; };
  const auto part = [&](const char* layer, const char* head) {
    return of(head) < 0 ? fmt::format("layer {}", of(layer))
                        : fmt::format("{}.{}", of(layer), of(head));
  };
  std::string name = part("layer", "head");
  if (of("to_layer") >= 0) name += " -> " + part("to_layer", "to_head");
  if (of("position") >= 0) name += " at " + place("position");
  if (of("query") >= 0) name += " at " + place("query");
  if (of("key") >= 0) name += " <- " + place("key");
  return name;
}

std::vector<Block> effect_blocks(const std::string& title, const NamedEffects& found,
                                 const std::vector<std::string>& positions,
                                 const std::string& value_label) {
  require(found.axes.size() == static_cast<size_t>(found.effect.dim()),
          "effects: expected a name for each of {} axes, got {}", found.effect.dim(),
          found.axes.size());
  std::vector<Block> blocks = {largest(title, found, positions, value_label)};
  const auto& axes = found.axes;
  const bool has_heads = std::find(axes.begin(), axes.end(), "head") != axes.end();
  if (axes.size() == 1) {
    blocks.push_back(map_of(title, found.effect.unsqueeze(1), "MLP", positions, value_label));
  } else if (axes.size() == 2) {
    blocks.push_back(map_of(title, found.effect, axes[1], positions, value_label));
  } else if (!has_heads) {
    blocks.push_back(map_of(title + ": strongest receiver", furthest(found.effect), axes[1],
                            positions, value_label));
  } else {
    const NamedEffects by_head = heads_first(found);
    GroupBlock group;
    group.title = title + ": heads";
    group.tabs = true;
    group.blocks.push_back(map_of(title + ": strongest of each head", furthest(by_head.effect),
                                  "head", positions, value_label));
    if (axes.size() == 3 && is_place(by_head.axes[2])) {
      for (int64_t t = 0; t < by_head.effect.size(2); ++t) {
        group.blocks.push_back(map_of(positions[static_cast<size_t>(t)],
                                      by_head.effect.select(2, t), "head", positions, value_label));
      }
    }
    blocks.push_back(std::move(group));
  }
  return blocks;
}

}  // namespace weir
