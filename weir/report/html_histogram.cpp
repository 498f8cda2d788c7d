#include <algorithm>

#include <fmt/format.h>

#include "weir/report/page.h"
#include "weir/report/svg.h"

namespace weir::report {
namespace {

constexpr double kHeight = 300;

std::string bars(const HistogramBlock& histogram, const PlotArea& area) {
  std::string svg = fmt::format("<g class=\"bars\" fill=\"{}\">\n", series_color(0, 1).hex());
  const double bottom = area.top + area.height;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    if (histogram.counts[i] == 0) continue;
    const double left = area.px_x(histogram.edges[i]), right = area.px_x(histogram.edges[i + 1]);
    // At least a pixel for what was counted at all.
    const double top = std::min(area.px_y(histogram.counts[i]), bottom - 1);
    const double gap = right - left > 4 ? 1 : 0;
    svg += fmt::format("<path d=\"M{} {}V{}H{}V{}z\"/>\n", px(left), px(bottom), px(top),
                       px(right - gap), px(bottom));
  }
  return svg + "</g>\n";
}

}  // namespace

std::string html(const HistogramBlock& histogram) {
  if (histogram.counts.empty()) return "<p class=\"note\">(no values)</p>\n";
  std::vector<double> from_zero = histogram.counts;
  from_zero.push_back(0);
  const PlotArea area =
      plot_area(kContentWidth, kHeight, Axis::of(histogram.edges), Axis::of(from_zero).rounded(5));
  std::string page = "<figure class=\"plot histogram\">\n<div class=\"scroll\">";
  page +=
      svg_open(kContentWidth, kHeight, fmt::format("Histogram of {} bins", histogram.counts.size()),
               plot_attributes(area));
  page += svg_axes(area, histogram.x_label, "count") + bars(histogram, area) + "</svg></div>\n";
  TableBlock table{"", {"from", "to", "count"}, {}, ""};
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    table.rows.push_back({histogram.edges[i], histogram.edges[i + 1], histogram.counts[i]});
  }
  return page + html_values(table) + "</figure>\n";
}

}  // namespace weir::report
