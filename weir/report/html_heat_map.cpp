#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/block_kind.h"
#include "weir/report/display_text.h"
#include "weir/report/page.h"
#include "weir/report/svg.h"

namespace weir::report {
namespace {

constexpr double kTextRow = 21, kPlainRow = 18, kTallest = 720, kLeastRow = 2;
constexpr double kWidestCell = 150, kPlainCell = 34, kLeastCell = 3;
constexpr double kNarrowestText = 34;    ///< Narrower cells go without their text.
constexpr double kLabelCharacter = 7.5;  ///< Of an axis' name, in the proportional font.
constexpr int kWidestLabel = 20;
constexpr double kTurn = -55;  ///< Of tick labels that do not fit under their columns.

struct Drawing {
  const HeatMapBlock& map;
  ColorScale scale;
  Grid grid;
  std::vector<size_t> rows;  ///< Indices in the map, from the top.
  std::vector<std::string> y_labels, x_labels;
  std::vector<std::vector<std::string>> text;  ///< As in the map; values when it has none.
  bool shows_text = false;
  bool turns_labels = false;
  double width = 0, height = 0;
};

std::vector<std::vector<std::string>> text_of(const HeatMapBlock& map, const ColorScale& scale) {
  const NumberFormat format = scale.number_format();
  std::vector<std::vector<std::string>> text;
  for (size_t row = 0; row < map.values.size(); ++row) {
    if (!map.cell_text.empty()) {
      text.push_back(visible(map.cell_text[row], Spaces::kMarked));
      continue;
    }
    text.emplace_back();
    for (const double value : map.values[row]) text.back().push_back(format(value));
  }
  return text;
}

// Cells wide enough for their text if the page can hold that, and not much wider than tall if not.
void size_cells(Drawing& drawing, double room) {
  int widest = 0;
  for (const auto& row : drawing.text) widest = std::max(widest, display_width(row));
  Grid& grid = drawing.grid;
  const double available = room / static_cast<double>(grid.columns);
  const double wanted = std::min(kCharacterWidth * widest + 12, kWidestCell);
  const bool numbers_fit = !drawing.map.cell_text.empty() || available >= wanted;
  drawing.shows_text = available >= std::min(wanted, kNarrowestText) && numbers_fit;
  const double best = drawing.shows_text ? std::max(wanted, kPlainCell) : kPlainCell;
  grid.cell_width = std::max(kLeastCell, std::min(best, available));
  if (grid.cell_width > 4) grid.cell_width = std::floor(grid.cell_width);
  const double tall = drawing.shows_text ? kTextRow : kPlainRow;
  const double fitting = std::max(kLeastRow, kTallest / static_cast<double>(grid.rows));
  grid.cell_height = drawing.shows_text ? tall : std::min(tall, std::floor(fitting));
}

Drawing drawing_of(const HeatMapBlock& map) {
  Drawing drawing{map, scale_of(map), {}, drawn_rows(map), {}, {}, {}};
  const size_t n_columns = map.values[0].size();
  const auto labels = [](const std::vector<std::string>& ticks, size_t count) {
    auto shown = visible(labels_or_indices(ticks, count), Spaces::kMarked);
    for (std::string& label : shown) label = truncated(label, kWidestLabel);
    return shown;
  };
  drawing.y_labels = labels(map.y_ticks, map.values.size());
  drawing.x_labels = labels(map.x_ticks, n_columns);
  drawing.text = text_of(map, drawing.scale);
  drawing.grid.left = kCharacterWidth * display_width(drawing.y_labels) + 12;
  drawing.grid.top = map.y_label.empty() ? 4 : 24;
  drawing.grid.columns = n_columns;
  drawing.grid.rows = map.values.size();
  size_cells(drawing, kContentWidth - drawing.grid.left - 8);
  const double widest = kCharacterWidth * display_width(drawing.x_labels);
  drawing.turns_labels = widest > drawing.grid.cell_width - 2;
  const double label_height =
      drawing.turns_labels ? widest * std::sin(-kTurn * 3.14159265 / 180) + 14 : kTextHeight + 4;
  const int label_width =
      std::max(display_width(visible(map.x_label)), display_width(visible(map.y_label)));
  drawing.width = std::max(drawing.grid.right() + 8,
                           std::min(kContentWidth, kLabelCharacter * label_width + 8));
  drawing.height = drawing.grid.bottom() + label_height + (map.x_label.empty() ? 4 : 24);
  return drawing;
}

// Every n-th label when there is not enough room for all.
size_t stride_for(double cell, double needed) {
  return static_cast<size_t>(std::max(1.0, std::ceil(needed / cell)));
}

size_t y_stride_of(const Drawing& drawing) {
  return stride_for(drawing.grid.cell_height, kTextHeight - 1);
}

size_t x_stride_of(const Drawing& drawing) {
  return stride_for(drawing.grid.cell_width, drawing.turns_labels ? kTextHeight : 1);
}

// Where text or labels had to be left out, the script puts a drawing that zooms in the place.
bool wants_zoom(const Drawing& drawing) {
  return !drawing.shows_text || y_stride_of(drawing) > 1 || x_stride_of(drawing) > 1;
}

std::string tick_labels(const Drawing& drawing) {
  const Grid& grid = drawing.grid;
  std::string svg;
  const size_t y_stride = y_stride_of(drawing);
  for (size_t i = 0; i < drawing.rows.size(); i += y_stride) {
    svg += svg_text(grid.left - 6, grid.y(i) + grid.cell_height / 2 + 4,
                    drawing.y_labels[drawing.rows[i]], {"tick", "end"});
  }
  const size_t x_stride = x_stride_of(drawing);
  for (size_t i = 0; i < grid.columns; i += x_stride) {
    const double x = grid.x(i) + grid.cell_width / 2;
    svg += drawing.turns_labels
               ? svg_text(x + 4, grid.bottom() + 11, drawing.x_labels[i], {"tick", "end", kTurn})
               : svg_text(x, grid.bottom() + kTextHeight, drawing.x_labels[i], {"tick", "middle"});
  }
  svg += svg_text(2, 14, visible(drawing.map.y_label), {"label", "start"});
  const std::string x_label = visible(drawing.map.x_label);
  const double half = kLabelCharacter * display_width(x_label) / 2;
  return svg + svg_text(std::max(grid.left + (grid.right() - grid.left) / 2, half + 2),
                        drawing.height - 6, x_label, {"label", "middle"});
}

std::string cell_labels(const Drawing& drawing) {
  if (!drawing.shows_text) return "";
  const Grid& grid = drawing.grid;
  const int most = static_cast<int>((grid.cell_width - 6) / kCharacterWidth);
  std::string svg = "<g class=\"cell-text\">\n";
  for (size_t i = 0; i < drawing.rows.size(); ++i) {
    const size_t row = drawing.rows[i];
    for (size_t column = 0; column < grid.columns; ++column) {
      const bool is_dark = needs_dark_text(drawing.scale.color(drawing.map.values[row][column]));
      svg += svg_text(
          grid.x(column) + (grid.cell_width - 1) / 2, grid.y(i) + grid.cell_height / 2 + 3.5,
          truncated(drawing.text[row][column], most), {is_dark ? "on-light" : "on-dark", "middle"});
    }
  }
  return svg + "</g>\n";
}

// The map as a table: rows as drawn, text and value in each cell.
std::string values_table(const Drawing& drawing) {
  const HeatMapBlock& map = drawing.map;
  if (drawing.grid.columns * drawing.grid.rows > kMostTableCells) return html_values_elsewhere();
  TableBlock table;
  table.columns.push_back(map.y_label);
  for (const auto& tick : labels_or_indices(map.x_ticks, drawing.grid.columns)) {
    table.columns.push_back(tick);
  }
  const auto y = labels_or_indices(map.y_ticks, drawing.grid.rows);
  const NumberFormat format = drawing.scale.number_format();
  for (const size_t row : drawing.rows) {
    std::vector<Cell> cells = {y[row]};
    for (size_t column = 0; column < drawing.grid.columns; ++column) {
      const double value = map.values[row][column];
      if (map.cell_text.empty()) {
        cells.emplace_back(value);
      } else {
        cells.emplace_back(drawing.text[row][column] + "  " + format(value));
      }
    }
    table.rows.push_back(std::move(cells));
  }
  return html_values(table);
}

}  // namespace

std::string html(const HeatMapBlock& map) {
  if (map.values.empty() || map.values[0].empty()) return "<p class=\"note\">(no values)</p>\n";
  const Drawing drawing = drawing_of(map);
  std::vector<std::vector<double>> rows;
  for (const size_t row : drawing.rows) rows.push_back(map.values[row]);
  std::string page =
      fmt::format("<figure class=\"map\" {}{}>\n<div class=\"scroll\">",
                  scale_attributes(drawing.scale), wants_zoom(drawing) ? " data-zoom=\"\"" : "");
  page += svg_open(drawing.width, drawing.height,
                   fmt::format("Heat map of {} rows and {} columns: {}", drawing.grid.rows,
                               drawing.grid.columns, visible(map.value_label)),
                   grid_attributes(drawing.grid) + " tabindex=\"0\"");
  page += svg_cells(drawing.grid, rows, drawing.scale) + tick_labels(drawing);
  page += cell_labels(drawing) + "</svg></div>\n" + html_legend(drawing.scale, map.value_label);
  if (!drawing.shows_text && !map.cell_text.empty()) {
    page +=
        "<p class=\"note\">The cells' text shows when zoomed in, on hover and in the table of "
        "values.</p>\n";
  }
  return page + values_table(drawing) + "</figure>\n";
}

}  // namespace weir::report
