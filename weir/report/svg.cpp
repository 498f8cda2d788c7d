#include "weir/report/svg.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/page.h"

namespace weir::report {
namespace {

constexpr double kPixelsPerXTick = 90;
constexpr double kPixelsPerYTick = 40;
constexpr double kRightMargin = 16;
constexpr double kLeastParted = 16;

int tick_count(double pixels, double pixels_per_tick) {
  return std::max(2, static_cast<int>(pixels / pixels_per_tick));
}

std::vector<std::string> labels_of(const std::vector<Tick>& ticks) {
  std::vector<std::string> labels;
  for (const Tick& tick : ticks) labels.push_back(tick.label);
  return labels;
}

}  // namespace

std::string px(double value) {
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string svg_text(double x, double y, std::string_view text, const TextStyle& style) {
  if (text.empty()) return "";
  const std::string turn = style.turn == 0 ? ""
                                           : fmt::format(" transform=\"rotate({} {} {})\"",
                                                         px(style.turn), px(x), px(y));
  return fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\"{}>{}</text>\n",
                     style.name, px(x), px(y), style.anchor, turn, escaped(text));
}

std::string svg_cells(const Grid& grid, const std::vector<std::vector<double>>& rows,
                      const ColorScale& scale) {
  std::vector<std::string> paths(kRampLevels);
  // A hairline between cells where they are large enough to spare it.
  const double gap = std::min(grid.cell_width, grid.cell_height) >= kLeastParted ? 1 : 0;
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t column = 0; column < rows[row].size(); ++column) {
      const double position = scale.position(rows[row][column]);
      if (std::isnan(position)) continue;
      paths[static_cast<size_t>(ramp_level(position))] += fmt::format(
          "M{} {}h{}v{}h-{}z", px(grid.x(column)), px(grid.y(row)), px(grid.cell_width - gap),
          px(grid.cell_height - gap), px(grid.cell_width - gap));
    }
  }
  std::string svg = fmt::format(
      "<rect class=\"no-value\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n<g class=\"cells\" "
      "shape-rendering=\"crispEdges\">\n",
      px(grid.left), px(grid.top), px(grid.right() - grid.left), px(grid.bottom() - grid.top));
  for (int level = 0; level < kRampLevels; ++level) {
    const std::string& path = paths[static_cast<size_t>(level)];
    if (path.empty()) continue;
    const double position = static_cast<double>(level) / (kRampLevels - 1);
    svg += fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", ramp_color(scale.ramp(), position).hex(),
                       path);
  }
  return svg + "</g>\n";
}

std::string grid_attributes(const Grid& grid) {
  return fmt::format(
      "data-left=\"{}\" data-top=\"{}\" data-cell-width=\"{}\" data-cell-height=\"{}\" "
      "data-columns=\"{}\" data-rows=\"{}\"",
      px(grid.left), px(grid.top), fmt::format("{:.6g}", grid.cell_width),
      fmt::format("{:.6g}", grid.cell_height), grid.columns, grid.rows);
}

PlotArea plot_area(double drawing_width, double drawing_height, const Axis& x, const Axis& y) {
  constexpr double kTop = 26, kBottom = 46;
  const double height = drawing_height - kTop - kBottom;
  const auto labels = labels_of(y.ticks(tick_count(height, kPixelsPerYTick)));
  const double left = 14 + kCharacterWidth * display_width(labels);
  return {left, kTop, drawing_width - left - kRightMargin, height, x, y};
}

std::string svg_axes(const PlotArea& area, std::string_view x_label, std::string_view y_label) {
  const double right = area.left + area.width, bottom = area.top + area.height;
  std::string svg;
  for (const Tick& tick : area.y.ticks(tick_count(area.height, kPixelsPerYTick))) {
    const double y = bottom - tick.position * area.height;
    svg += fmt::format("<path class=\"grid\" d=\"M{} {}H{}\"/>\n", px(area.left), px(y), px(right));
    svg += svg_text(area.left - 8, y + 4, tick.label, {"tick", "end"});
  }
  for (const Tick& tick : area.x.ticks(tick_count(area.width, kPixelsPerXTick))) {
    const double x = area.left + tick.position * area.width;
    svg += fmt::format("<path class=\"axis\" d=\"M{} {}v5\"/>\n", px(x), px(bottom));
    svg += svg_text(x, bottom + 19, tick.label, {"tick", "middle"});
  }
  svg +=
      fmt::format("<path class=\"axis\" d=\"M{} {}H{}\"/>\n", px(area.left), px(bottom), px(right));
  svg += svg_text(area.left + area.width / 2, bottom + 38, visible(x_label), {"label", "middle"});
  return svg + svg_text(2, 13, visible(y_label), {"label", "start"});
}

std::string plot_attributes(const PlotArea& area) {
  return fmt::format(
      "data-left=\"{}\" data-top=\"{}\" data-width=\"{}\" data-height=\"{}\" data-x-low=\"{}\" "
      "data-x-high=\"{}\" data-y-low=\"{}\" data-y-high=\"{}\" data-log-y=\"{}\"",
      px(area.left), px(area.top), px(area.width), px(area.height), area.x.low(), area.x.high(),
      area.y.low(), area.y.high(), area.y.is_log() ? 1 : 0);
}

std::string svg_open(double width, double height, std::string_view label,
                     std::string_view attributes) {
  return fmt::format(
      "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\" {}>\n",
      escaped(label), px(width), px(height), px(width), px(height), attributes);
}

}  // namespace weir::report
