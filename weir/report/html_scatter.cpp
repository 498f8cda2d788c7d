#include <cmath>

#include <fmt/format.h>

#include "weir/report/block_kind.h"
#include "weir/report/page.h"
#include "weir/report/svg.h"

namespace weir::report {
namespace {

constexpr double kHeight = 480;
constexpr size_t kManyPoints = 2000;  ///< From here on drawn smaller.

std::string points_svg(const ScatterBlock& scatter, const Grouping& groups, const PlotArea& area,
                       size_t group) {
  const char* radius = scatter.points.size() > kManyPoints ? "2" : "4";
  std::string svg = fmt::format("<g class=\"points\" data-series=\"{}\" fill=\"{}\">\n", group,
                                series_color(group, groups.names.size()).hex());
  for (size_t i = 0; i < scatter.points.size(); ++i) {
    const double x = area.px_x(scatter.points[i].x), y = area.px_y(scatter.points[i].y);
    if (groups.of_point[i] != group || std::isnan(x + y)) continue;
    svg += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"/>", px(x), px(y), radius);
  }
  return svg + "</g>\n";
}

std::string values_table(const ScatterBlock& scatter) {
  if (scatter.points.size() * 4 > kMostTableCells) return html_values_elsewhere();
  TableBlock table{"", {"label", "group", "x", "y"}, {}, ""};
  for (const ScatterPoint& point : scatter.points) {
    table.rows.push_back({point.label, point.group, point.x, point.y});
  }
  return html_values(table);
}

std::string omission(const ScatterBlock& scatter) {
  size_t count = 0;
  for (const ScatterPoint& point : scatter.points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) ++count;
  }
  if (count == 0) return "";
  return fmt::format("<p class=\"note\">Points without finite coordinates, not drawn: {}.</p>\n",
                     count);
}

}  // namespace

std::string html(const ScatterBlock& scatter) {
  if (scatter.points.empty()) return "<p class=\"note\">(no points)</p>\n";
  std::vector<double> x, y;
  for (const ScatterPoint& point : scatter.points) {
    x.push_back(point.x);
    y.push_back(point.y);
  }
  const PlotArea area =
      plot_area(kContentWidth, kHeight, Axis::of(x).rounded(10), Axis::of(y).rounded(8));
  const Grouping groups = grouping_of(scatter);
  std::string page = "<figure class=\"plot scatter\">\n<div class=\"scroll\">";
  page += svg_open(kContentWidth, kHeight, fmt::format("Scatter of {} points", x.size()),
                   plot_attributes(area));
  page += svg_axes(area, scatter.x_label, scatter.y_label);
  for (size_t i = 0; i < groups.names.size(); ++i) page += points_svg(scatter, groups, area, i);
  page += "</svg></div>\n";
  const bool has_groups = groups.names.size() > 1 || !groups.names[0].empty();
  if (has_groups) page += html_series_legend(groups.names);
  return page + omission(scatter) + values_table(scatter) + "</figure>\n";
}

}  // namespace weir::report
