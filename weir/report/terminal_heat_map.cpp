#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/block_kind.h"
#include "weir/report/display_text.h"
#include "weir/report/number_text.h"
#include "weir/report/screen.h"

namespace weir::report {
namespace {

constexpr int kWidestCell = 13;    ///< With the space that parts it from the next.
constexpr int kNarrowestText = 7;  ///< Cells of text are not squeezed below this.
constexpr int kWidestLabel = 16;
/// A map that would take more panels of text than this is shown once as a whole, a character a
/// cell, and with text in its last columns only.
constexpr int kMostTextPanels = 3;
constexpr int kMostOverviewPanels = 4;
constexpr int kRulerStep = 10;

/// The map's strings made visible, rows from top to bottom of the drawing.
struct Drawing {
  const HeatMapBlock& map;
  ColorScale scale;
  std::vector<size_t> rows;
  std::vector<std::string> row_labels, column_labels;  ///< By index in the map.
  int label_width = 0;
  bool has_text = false;
  NumberFormat number;

  size_t n_columns() const { return map.values[0].size(); }

  Align align() const { return has_text ? Align::kLeft : Align::kRight; }

  std::string text_of(size_t row, size_t column) const {
    return has_text ? visible(map.cell_text[row][column], Spaces::kMarked)
                    : number(map.values[row][column]);
  }
};

Drawing drawing_of(const HeatMapBlock& map) {
  Drawing drawing{map,
                  scale_of(map),
                  drawn_rows(map),
                  visible(labels_or_indices(map.y_ticks, map.values.size()), Spaces::kMarked),
                  visible(labels_or_indices(map.x_ticks, map.values[0].size()), Spaces::kMarked),
                  0,
                  !map.cell_text.empty(),
                  {}};
  drawing.number = drawing.scale.number_format();
  drawing.label_width = std::min(display_width(drawing.row_labels), kWidestLabel);
  return drawing;
}

int wanted_cell_width(const Drawing& drawing) {
  int widest = 0;
  for (const size_t row : drawing.rows) {
    for (size_t column = 0; column < drawing.n_columns(); ++column) {
      widest = std::max(widest, display_width(drawing.text_of(row, column)));
    }
  }
  const int ticks = std::min(display_width(drawing.column_labels), widest + 4);
  return std::min(std::max(widest, ticks) + 2, drawing.has_text ? kWidestCell : 24);
}

int least_cell_width(const Drawing& drawing, int wanted) {
  // Numbers cannot be cut.
  return drawing.has_text ? std::min(wanted, kNarrowestText) : wanted;
}

std::string row_label(const Drawing& drawing, size_t row, const Screen& screen) {
  const std::string label = drawing.row_labels[row];
  return screen.dim(fitted(label, drawing.label_width, Align::kRight)) + ' ';
}

// Text on its colour; without colours, text after a shade.
std::string text_cell(const Drawing& drawing, size_t row, size_t column, int width,
                      const Screen& screen) {
  const double value = drawing.map.values[row][column];
  const std::string text = fitted(drawing.text_of(row, column), width - 2, drawing.align());
  if (screen.has_color) return screen.on(' ' + text, drawing.scale.color(value)) + ' ';
  return std::string(shade(drawing.scale.position(value))) + text + ' ';
}

std::string text_panel(const Drawing& drawing, size_t begin, size_t end, int cell_width,
                       const Screen& screen) {
  std::string lines;
  for (const size_t row : drawing.rows) {
    lines += row_label(drawing, row, screen);
    for (size_t column = begin; column < end; ++column) {
      lines += text_cell(drawing, row, column, cell_width, screen);
    }
    lines += '\n';
  }
  std::string ticks(static_cast<size_t>(drawing.label_width + 1), ' ');
  for (size_t column = begin; column < end; ++column) {
    ticks += ' ' + fitted(drawing.column_labels[column], cell_width - 2, drawing.align()) + ' ';
  }
  return lines + screen.dim(ticks) + '\n';
}

// "0         10        20" under cells that are one character wide.
std::string ruler(size_t begin, size_t end) {
  std::string line;
  for (size_t column = begin; column < end; ++column) {
    if (column % kRulerStep != 0) continue;
    const std::string label = std::to_string(column);
    if (column - begin + label.size() > end - begin) break;
    line.resize(std::max(line.size(), column - begin), ' ');
    line += label;
  }
  return line;
}

std::string overview_panel(const Drawing& drawing, size_t begin, size_t end, const Screen& screen) {
  std::string lines;
  for (const size_t row : drawing.rows) {
    lines += row_label(drawing, row, screen);
    for (size_t column = begin; column < end; ++column) {
      const double value = drawing.map.values[row][column];
      lines += screen.has_color ? screen.on(" ", drawing.scale.color(value))
                                : std::string(shade(drawing.scale.position(value)));
    }
    lines += '\n';
  }
  const std::string indent(static_cast<size_t>(drawing.label_width + 1), ' ');
  return lines + screen.dim(indent + ruler(begin, end)) + '\n';
}

std::string column_range(size_t begin, size_t end, size_t total) {
  return fmt::format("columns {} to {} of 0 to {}", begin, end - 1, total - 1);
}

// The whole map in panels of `per_panel` columns, or its last columns when that is too many.
std::string overview(const Drawing& drawing, size_t room, const Screen& screen) {
  const size_t total = drawing.n_columns();
  const size_t most = room * kMostOverviewPanels;
  size_t begin = total > most ? total - most : 0;
  std::string lines;
  if (begin > 0) {
    lines += screen.note(
        fmt::format("the first {} columns are in the HTML, JSON and CSV forms only", begin));
  }
  for (; begin < total; begin += room) {
    const size_t end = std::min(total, begin + room);
    if (total > room) lines += screen.note(column_range(begin, end, total));
    lines += overview_panel(drawing, begin, end, screen);
  }
  return lines;
}

std::string with_text(const Drawing& drawing, int room, const Screen& screen) {
  const size_t total = drawing.n_columns();
  const int wanted = wanted_cell_width(drawing);
  const int least = std::min(least_cell_width(drawing, wanted), room);
  const auto n = static_cast<int>(std::min<size_t>(total, 10000));
  int cell_width = std::clamp(room / n, least, std::min(wanted, room));
  const bool is_too_long = n > room / cell_width * kMostTextPanels;
  if (is_too_long) cell_width = std::min(wanted, room);
  const auto per_panel = static_cast<size_t>(std::max(1, room / cell_width));
  std::string lines;
  if (is_too_long) {
    lines += overview(drawing, static_cast<size_t>(room), screen);
    lines += screen.note(fmt::format("with {}: {}; all are in the HTML, JSON and CSV forms",
                                     drawing.has_text ? "text" : "values",
                                     column_range(total - per_panel, total, total)));
  }
  for (size_t begin = is_too_long ? total - per_panel : 0; begin < total; begin += per_panel) {
    const size_t end = std::min(total, begin + per_panel);
    if (!is_too_long && total > per_panel) lines += screen.note(column_range(begin, end, total));
    lines += text_panel(drawing, begin, end, cell_width, screen);
  }
  return lines;
}

std::string axis_names(const HeatMapBlock& map) {
  if (map.x_label.empty() && map.y_label.empty()) return "";
  return fmt::format("{} (down) by {} (across)", map.y_label.empty() ? "rows" : map.y_label,
                     map.x_label.empty() ? "columns" : map.x_label);
}

}  // namespace

std::string draw(const HeatMapBlock& map, const Screen& screen) {
  if (map.values.empty() || map.values[0].empty()) return screen.note("(no values)");
  const Drawing drawing = drawing_of(map);
  const int room = std::max(1, screen.width - drawing.label_width - 1);
  return screen.note(axis_names(map)) + with_text(drawing, room, screen) +
         legend(screen, drawing.scale, map.value_label);
}

}  // namespace weir::report
