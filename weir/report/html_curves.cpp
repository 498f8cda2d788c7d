#include <cmath>

#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/page.h"
#include "weir/report/svg.h"

namespace weir::report {
namespace {

constexpr double kHeight = 340;
constexpr size_t kMostMarked = 64;  ///< Longer curves go without a mark at each point.

// The band of series i, in as many pieces as it has gaps.
std::string band_svg(const CurvesBlock& curves, size_t i, const PlotArea& area) {
  const Series& series = curves.series[i];
  std::string path, top, back;
  const auto close = [&] {
    if (!top.empty()) path += 'M' + top.substr(1) + back + 'z';
    top.clear();
    back.clear();
  };
  for (size_t point = 0; point < series.lower.size(); ++point) {
    const double x = area.px_x(curves.x[point]);
    const double low = area.px_y(series.lower[point]), high = area.px_y(series.upper[point]);
    if (std::isnan(x + low + high)) {
      close();
      continue;
    }
    top += fmt::format("L{} {}", px(x), px(high));
    back.insert(0, fmt::format("L{} {}", px(x), px(low)));
  }
  close();
  if (path.empty()) return "";
  return fmt::format("<path class=\"band\" data-series=\"{}\" fill=\"{}\" d=\"{}\"/>\n", i,
                     series_color(i, curves.series.size()).hex(), path);
}

std::string curve_svg(const CurvesBlock& curves, size_t i, const PlotArea& area) {
  const std::string color = series_color(i, curves.series.size()).hex();
  std::string path, marks;
  bool is_open = false;
  for (size_t point = 0; point < curves.x.size(); ++point) {
    const double x = area.px_x(curves.x[point]), y = area.px_y(curves.series[i].y[point]);
    if (std::isnan(x + y)) {
      is_open = false;
      continue;
    }
    path += fmt::format("{}{} {}", is_open ? 'L' : 'M', px(x), px(y));
    marks += fmt::format("M{} {}h0", px(x), px(y));
    is_open = true;
  }
  if (path.empty()) return "";
  std::string svg = fmt::format("<g class=\"series\" data-series=\"{}\" stroke=\"{}\">", i, color);
  svg += fmt::format("<path d=\"{}\"/>", path);
  if (curves.x.size() <= kMostMarked) svg += fmt::format("<path class=\"marks\" d=\"{}\"/>", marks);
  return svg + "</g>\n";
}

std::string values_table(const CurvesBlock& curves) {
  if (curves.x.size() * (curves.series.size() + 1) > kMostTableCells)
    return html_values_elsewhere();
  TableBlock table;
  table.columns.push_back(curves.x_label.empty() ? "x" : curves.x_label);
  for (const Series& series : curves.series) {
    table.columns.push_back(series.name);
    if (series.lower.empty()) continue;
    table.columns.push_back(series.name + " lower");
    table.columns.push_back(series.name + " upper");
  }
  for (size_t point = 0; point < curves.x.size(); ++point) {
    std::vector<Cell> row = {curves.x[point]};
    for (const Series& series : curves.series) {
      row.emplace_back(series.y[point]);
      if (series.lower.empty()) continue;
      row.emplace_back(series.lower[point]);
      row.emplace_back(series.upper[point]);
    }
    table.rows.push_back(std::move(row));
  }
  return html_values(table);
}

}  // namespace

std::string html(const CurvesBlock& curves) {
  if (curves.x.empty() || curves.series.empty()) return "<p class=\"note\">(no values)</p>\n";
  std::vector<double> values;
  std::vector<std::string> names;
  for (const Series& series : curves.series) {
    for (const auto* column : {&series.y, &series.lower, &series.upper}) {
      values.insert(values.end(), column->begin(), column->end());
    }
    names.push_back(series.name);
  }
  const PlotArea area = plot_area(kContentWidth, kHeight, Axis::of(curves.x),
                                  Axis::of(values, curves.log_y).rounded(6));
  std::string page = "<figure class=\"plot curves\">\n<div class=\"scroll\">";
  page += svg_open(kContentWidth, kHeight,
                   fmt::format("{} curves of {} points", names.size(), curves.x.size()),
                   plot_attributes(area));
  page += svg_axes(area, curves.x_label,
                   curves.log_y ? curves.y_label + " (logarithmic)" : curves.y_label);
  for (size_t i = names.size(); i-- > 0;) page += band_svg(curves, i, area);
  for (size_t i = names.size(); i-- > 0;) page += curve_svg(curves, i, area);
  return page + "</svg></div>\n" + html_series_legend(names) + values_table(curves) + "</figure>\n";
}

}  // namespace weir::report
