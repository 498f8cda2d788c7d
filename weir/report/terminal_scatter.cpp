#include <algorithm>

#include <fmt/format.h>

#include "weir/report/block_kind.h"
#include "weir/report/number_text.h"
#include "weir/report/screen.h"

namespace weir::report {
namespace {

std::string range_text(std::string_view label, const std::vector<double>& values) {
  if (values.empty()) return std::string(label);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return fmt::format("{} from {} to {}", label, number_text(*low), number_text(*high));
}

std::string counts_of(const ScatterBlock& scatter, const Screen& screen) {
  const std::vector<size_t> drawn = drawn_points(scatter);
  std::vector<double> x, y;
  for (const size_t i : drawn) {
    x.push_back(scatter.x[i]);
    y.push_back(scatter.y[i]);
  }
  std::string lines =
      screen.note(fmt::format("{} points; {}, {}", scatter.x.size(),
                              range_text(scatter.x_label.empty() ? "x" : scatter.x_label, x),
                              range_text(scatter.y_label.empty() ? "y" : scatter.y_label, y)));
  const size_t lost = scatter.x.size() - drawn.size();
  if (lost > 0) lines += screen.note(fmt::format("without finite coordinates: {}", lost));
  return lines;
}

std::string groups_of(const ScatterBlock& scatter, const Screen& screen) {
  const Grouping grouping = grouping_of(scatter);
  std::vector<size_t> counts(grouping.names.size());
  for (const size_t group : grouping.of_point) ++counts[group];
  std::string list;
  for (size_t i = 0; i < counts.size() && i < kMostListed; ++i) {
    const std::string& name = grouping.names[i];
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", name.empty() ? "(no name)" : name,
                        counts[i]);
  }
  if (counts.size() > kMostListed) list += fmt::format(", {} more", counts.size() - kMostListed);
  return screen.note(list);
}

// Few points are listed; more are for the page.
std::string points_of(const ScatterBlock& scatter, const Screen& screen) {
  if (scatter.x.size() > kMostListed) {
    return screen.note("the points are in the HTML, JSON and CSV forms");
  }
  TableBlock table;
  if (!scatter.labels.empty()) table.columns.push_back("label");
  table.columns.insert(table.columns.end(), {"x", "y"});
  if (!scatter.values.empty()) {
    table.columns.push_back(scatter.value_label.empty() ? "value" : scatter.value_label);
  }
  for (size_t i = 0; i < scatter.x.size(); ++i) {
    std::vector<Cell> row;
    if (!scatter.labels.empty()) row.emplace_back(scatter.labels[i]);
    row.emplace_back(scatter.x[i]);
    row.emplace_back(scatter.y[i]);
    if (!scatter.values.empty()) row.emplace_back(scatter.values[i]);
    table.rows.push_back(std::move(row));
  }
  return draw(table, screen);
}

}  // namespace

std::string draw(const ScatterBlock& scatter, const Screen& screen) {
  if (scatter.x.empty()) return screen.note("(no points)");
  return counts_of(scatter, screen) + groups_of(scatter, screen) + points_of(scatter, screen);
}

}  // namespace weir::report
