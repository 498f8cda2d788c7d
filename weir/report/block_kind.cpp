#include "weir/report/block_kind.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "weir/report/number_text.h"

namespace weir::report {
namespace {

struct KindName {
  std::string_view operator()(const TableBlock&) const { return "table"; }
  std::string_view operator()(const HeatMapBlock&) const { return "heat_map"; }
  std::string_view operator()(const CurvesBlock&) const { return "curves"; }
  std::string_view operator()(const HistogramBlock&) const { return "histogram"; }
  std::string_view operator()(const ScatterBlock&) const { return "scatter"; }
  std::string_view operator()(const TokenStripBlock&) const { return "token_strip"; }
  std::string_view operator()(const PassagesBlock&) const { return "passages"; }
  std::string_view operator()(const AttentionBlock&) const { return "attention"; }
  std::string_view operator()(const TextBlock&) const { return "text"; }
  std::string_view operator()(const GraphBlock&) const { return "graph"; }
  std::string_view operator()(const MediaBlock&) const { return "media"; }
  std::string_view operator()(const GroupBlock&) const { return "group"; }
};

}  // namespace

std::string_view kind_name(const Block& block) { return std::visit(KindName{}, block); }

const std::string& title_of(const Block& block) {
  return std::visit([](const auto& any) -> const std::string& { return any.title; }, block);
}

std::vector<std::pair<std::string, std::string>> named_fields(const Provenance& provenance) {
  return {
      {"model", provenance.model},
      {"model_sha256", provenance.model_sha256},
      {"tokenizer", provenance.tokenizer},
      {"processing", provenance.processing},
      {"dtype", provenance.dtype},
      {"device", provenance.device},
      {"command", provenance.command},
      {"version", provenance.version},
      {"seed", provenance.seed ? std::to_string(*provenance.seed) : ""},
      {"threads", provenance.threads == 0 ? "" : std::to_string(provenance.threads)},
      {"wall_seconds", provenance.wall_seconds == 0 ? "" : number_text(provenance.wall_seconds)}};
}

std::vector<std::pair<std::string, std::string>> fields_of(const Provenance& provenance) {
  auto fields = named_fields(provenance);
  fields.insert(fields.end(), provenance.extra.begin(), provenance.extra.end());
  fields.erase(std::remove_if(fields.begin(), fields.end(),
                              [](const auto& field) { return field.second.empty(); }),
               fields.end());
  return fields;
}

std::vector<std::string> labels_or_indices(const std::vector<std::string>& ticks, size_t count) {
  if (!ticks.empty()) return ticks;
  std::vector<std::string> labels;
  for (size_t i = 0; i < count; ++i) labels.push_back(std::to_string(i));
  return labels;
}

std::vector<size_t> drawn_rows(const HeatMapBlock& map) {
  std::vector<size_t> rows(map.values.size());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = map.y_up ? rows.size() - 1 - i : i;
  return rows;
}

Grouping grouping_of(const ScatterBlock& scatter) {
  Grouping grouping;
  std::map<std::string, size_t> indices;
  for (const std::string& group : scatter.groups) {
    const auto [place, is_new] = indices.emplace(group, grouping.names.size());
    if (is_new) grouping.names.push_back(group);
    grouping.of_point.push_back(place->second);
  }
  return grouping;
}

std::vector<size_t> drawn_points(const ScatterBlock& scatter) {
  std::vector<size_t> points;
  for (size_t i = 0; i < scatter.x.size(); ++i) {
    if (std::isfinite(scatter.x[i]) && std::isfinite(scatter.y[i])) points.push_back(i);
  }
  return points;
}

std::string tick_of(const std::vector<std::string>& ticks, int64_t place) {
  const bool has_name = place >= 0 && static_cast<size_t>(place) < ticks.size();
  return has_name ? ticks[static_cast<size_t>(place)] : std::to_string(place);
}

}  // namespace weir::report
