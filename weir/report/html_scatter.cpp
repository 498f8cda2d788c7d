#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "weir/report/block_kind.h"
#include "weir/report/page.h"
#include "weir/report/svg.h"

namespace weir::report {
namespace {

constexpr double kHeight = 480;
constexpr size_t kManyPoints = 2000;  ///< From here on drawn smaller.

// The colour of each point, as the script chooses it.
std::vector<std::string> colors_of(const ScatterBlock& scatter, const Grouping& groups) {
  const ColorScale scale = scale_of(scatter);
  std::vector<std::string> colors;
  for (size_t i = 0; i < scatter.x.size(); ++i) {
    colors.push_back(!scatter.values.empty()
                         ? scale.color(scatter.values[i]).hex()
                         : series_color(groups.names.empty() ? 0 : groups.of_point[i],
                                        std::max<size_t>(1, groups.names.size()))
                               .hex());
  }
  return colors;
}

// For readers without the script: a path a colour, a dot a point.
std::string static_points(const ScatterBlock& scatter, const Grouping& groups,
                          const PlotArea& area) {
  const std::vector<std::string> colors = colors_of(scatter, groups);
  std::map<std::string, std::string> paths;
  for (const size_t i : drawn_points(scatter)) {
    paths[colors[i]] +=
        fmt::format("M{:.1f} {:.1f}h0", area.px_x(scatter.x[i]), area.px_y(scatter.y[i]));
  }
  std::string svg = fmt::format("<g class=\"points\" stroke-width=\"{}\">\n",
                                scatter.x.size() > kManyPoints ? 3 : 7);
  for (const auto& [color, path] : paths) {
    svg += fmt::format("<path stroke=\"{}\" d=\"{}\"/>\n", color, path);
  }
  return svg + "</g>\n";
}

std::string values_table(const ScatterBlock& scatter) {
  TableBlock table;
  if (!scatter.labels.empty()) table.columns.push_back("label");
  if (!scatter.groups.empty()) table.columns.push_back("group");
  table.columns.push_back(scatter.x_label.empty() ? "x" : scatter.x_label);
  table.columns.push_back(scatter.y_label.empty() ? "y" : scatter.y_label);
  if (!scatter.values.empty()) {
    table.columns.push_back(scatter.value_label.empty() ? "value" : scatter.value_label);
  }
  if (scatter.x.size() * table.columns.size() > kMostTableCells) return html_values_elsewhere();
  for (size_t i = 0; i < scatter.x.size(); ++i) {
    std::vector<Cell> row;
    if (!scatter.labels.empty()) {
      const bool leads = !scatter.targets.empty() && !scatter.targets[i].empty();
      row.push_back(leads ? Cell(Link{scatter.labels[i], scatter.targets[i]})
                          : Cell(scatter.labels[i]));
    }
    if (!scatter.groups.empty()) row.emplace_back(scatter.groups[i]);
    row.emplace_back(scatter.x[i]);
    row.emplace_back(scatter.y[i]);
    if (!scatter.values.empty()) row.emplace_back(scatter.values[i]);
    table.rows.push_back(std::move(row));
  }
  return html_values(table);
}

std::string omission(size_t count) {
  if (count == 0) return "";
  return fmt::format("<p class=\"note\">Points without finite coordinates, not drawn: {}.</p>\n",
                     count);
}

}  // namespace

std::string html(const ScatterBlock& scatter) {
  if (scatter.x.empty()) return "<p class=\"note\">(no points)</p>\n";
  const std::vector<size_t> drawn = drawn_points(scatter);
  std::vector<double> x, y;
  for (const size_t i : drawn) {
    x.push_back(scatter.x[i]);
    y.push_back(scatter.y[i]);
  }
  const PlotArea area = plot_area(kContentWidth, kHeight, Axis::of(x), Axis::of(y));
  const Grouping groups = grouping_of(scatter);
  const ColorScale scale = scale_of(scatter);
  std::string page =
      fmt::format("<figure class=\"plot scatter\" {} {}>\n<noscript><div class=\"scroll\">",
                  plot_attributes(area), scatter.values.empty() ? "" : scale_attributes(scale));
  page += svg_open(kContentWidth, kHeight, fmt::format("Scatter of {} points", drawn.size()), "");
  page += svg_axes(area, scatter.x_label, scatter.y_label) + static_points(scatter, groups, area) +
          "</svg></div></noscript>\n";
  if (!scatter.values.empty()) page += html_legend(scale, scatter.value_label);
  if (!groups.names.empty()) page += html_point_legend(groups.names);
  return page + omission(scatter.x.size() - drawn.size()) + values_table(scatter) + "</figure>\n";
}

}  // namespace weir::report
