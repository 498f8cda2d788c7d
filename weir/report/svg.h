#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/report/axis.h"
#include "weir/report/color_scale.h"

/// Pieces of inline SVG. Coordinates are CSS pixels from the drawing's upper left corner.
namespace weir::report {

/// Pixels that `columns` characters of the page's monospaced figure font take.
constexpr double kCharacterWidth = 6.7;
constexpr double kTextHeight = 14;

/// A coordinate with at most two decimals.
std::string px(double value);

struct TextStyle {
  std::string_view name = "tick";     ///< CSS class
  std::string_view anchor = "start";  ///< start, middle or end
  double turn = 0;                    ///< Degrees, clockwise about the anchor.
};
/// `text` must be visible; it is escaped here. `y` is the baseline.
std::string svg_text(double x, double y, std::string_view text, const TextStyle& style);

/// A rectangular grid of equal cells.
struct Grid {
  double left = 0, top = 0, cell_width = 1, cell_height = 1;
  size_t columns = 0, rows = 0;

  double right() const { return left + cell_width * static_cast<double>(columns); }
  double bottom() const { return top + cell_height * static_cast<double>(rows); }
  double x(size_t column) const { return left + cell_width * static_cast<double>(column); }
  double y(size_t row) const { return top + cell_height * static_cast<double>(row); }
};
/// Filled cells, one path a colour. rows[r][c] from the top; NaN is left to the grid's background.
std::string svg_cells(const Grid& grid, const std::vector<std::vector<double>>& rows,
                      const ColorScale& scale);
/// data- attributes by which the script finds a cell under the pointer.
std::string grid_attributes(const Grid& grid);

/// A rectangle for points, with its two axes.
struct PlotArea {
  double left = 0, top = 0, width = 0, height = 0;
  Axis x, y;

  double px_x(double value) const { return left + width * x.position(value); }
  double px_y(double value) const { return top + height * (1 - y.position(value)); }
};
/// The plot area of a drawing so large, with room for the labels of its axes.
PlotArea plot_area(double drawing_width, double drawing_height, const Axis& x, const Axis& y);
/// Grid lines, marks and names of the axes.
std::string svg_axes(const PlotArea& area, std::string_view x_label, std::string_view y_label);
/// data- attributes by which the script turns pixels into values.
std::string plot_attributes(const PlotArea& area);

/// "<svg ...>": `label` is what a screen reader says; `attributes` go in as they are.
std::string svg_open(double width, double height, std::string_view label,
                     std::string_view attributes);

}  // namespace weir::report
