#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/report/report.h"

namespace weir::report {

/// "table", "heat_map", "curves", "histogram", "scatter", "token_strip", "attention", "text",
/// "graph", "media" or "group": the spelling in JSON and in the names of files without a title.
std::string_view kind_name(const Block& block);
const std::string& title_of(const Block& block);

/// The fields of the struct but `extra`, in its order, under their names; "" where one is not set.
std::vector<std::pair<std::string, std::string>> named_fields(const Provenance& provenance);
/// The fields that are set, those of `extra` at the end.
std::vector<std::pair<std::string, std::string>> fields_of(const Provenance& provenance);

/// The labels of `count` rows, columns or tokens: the ticks, or indices from 0 when there are none.
std::vector<std::string> labels_or_indices(const std::vector<std::string>& ticks, size_t count);

/// Rows of a heat map from top to bottom of the drawing.
std::vector<size_t> drawn_rows(const HeatMapBlock& map);

/// The points' groups in order of appearance, and which one each point belongs to. Both are empty
/// when the points have no groups.
struct Grouping {
  std::vector<std::string> names;
  std::vector<size_t> of_point;
};
Grouping grouping_of(const ScatterBlock& scatter);
/// Indices of the points that have a place.
std::vector<size_t> drawn_points(const ScatterBlock& scatter);

/// The name of a graph's row or column.
std::string tick_of(const std::vector<std::string>& ticks, int64_t place);

}  // namespace weir::report
