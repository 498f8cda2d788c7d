#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/number_text.h"
#include "weir/report/screen.h"

namespace weir::report {
namespace {

constexpr int kGap = 2;
// A column of text is not squeezed below this; instead the table goes on below itself.
constexpr int kLeastText = 8;
// Numbers are not cut, and their column's name not below this.
constexpr int kLeastName = 12;

struct Column {
  std::string name;
  std::vector<std::string> cells;
  Align align = Align::kLeft;
  int natural = 0;  ///< Columns of the terminal its widest cell takes.
  int least = 0;
};

Column column_of(const TableBlock& table, size_t index) {
  Column column;
  column.name = visible(table.columns[index]);
  const auto format = NumberFormat::of(doubles_of(table.rows, index));
  bool is_number = !table.rows.empty();
  for (const auto& row : table.rows) {
    column.cells.push_back(cell_text(row[index], format));
    is_number = is_number && text_of(row[index]) == nullptr;
  }
  const int cells_width = display_width(column.cells);
  column.natural = std::max(display_width(column.name), cells_width);
  column.align = is_number ? Align::kRight : Align::kLeft;
  column.least = is_number ? std::max(cells_width, std::min(column.natural, kLeastName))
                           : std::min(column.natural, kLeastText);
  return column;
}

int total_width(const std::vector<int>& widths) {
  return std::accumulate(widths.begin(), widths.end(), 0) +
         kGap * (static_cast<int>(widths.size()) - 1);
}

// Columns `first` (the key, always there) and [begin, end) of the table.
using Panel = std::vector<size_t>;

// Cuts the columns into panels that fit at their least widths. The first column opens each.
std::vector<Panel> panels_of(const std::vector<Column>& columns, int width) {
  std::vector<Panel> panels = {{0}};
  int used = columns[0].least;
  for (size_t i = 1; i < columns.size(); ++i) {
    const int more = kGap + columns[i].least;
    if (used + more > width && panels.back().size() > 1) {
      panels.push_back({0});
      used = columns[0].least;
    }
    panels.back().push_back(i);
    used += more;
  }
  return panels;
}

// The widest column gives way until the panel fits; columns at their least only when all are.
std::vector<int> widths_of(const std::vector<Column>& columns, const Panel& panel, int width) {
  std::vector<int> widths;
  for (const size_t i : panel) widths.push_back(columns[i].natural);
  while (total_width(widths) > width) {
    size_t widest = panel.size();
    for (size_t i = 0; i < panel.size(); ++i) {
      const bool can_shrink = widths[i] > columns[panel[i]].least;
      if (can_shrink && (widest == panel.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == panel.size()) {
      widest = static_cast<size_t>(std::max_element(widths.begin(), widths.end()) - widths.begin());
    }
    --widths[widest];
  }
  return widths;
}

std::string draw_panel(const std::vector<Column>& columns, const Panel& panel, size_t n_rows,
                       const Screen& screen) {
  const std::vector<int> widths = widths_of(columns, panel, screen.width);
  const auto line_of = [&](const auto& text_of) {
    std::string line;
    for (size_t i = 0; i < panel.size(); ++i) {
      if (i > 0) line += std::string(kGap, ' ');
      line += fitted(text_of(columns[panel[i]]), widths[i], columns[panel[i]].align);
    }
    return line;
  };
  std::string lines = screen.bold(line_of([](const Column& column) { return column.name; })) + '\n';
  lines += screen.dim(repeated("\u2500", total_width(widths))) + '\n';
  for (size_t row = 0; row < n_rows; ++row) {
    lines += line_of([row](const Column& column) { return column.cells[row]; }) + '\n';
  }
  return lines;
}

}  // namespace

std::string draw(const TableBlock& table, const Screen& screen) {
  if (table.columns.empty()) return screen.note("(no columns)") + screen.note(table.note);
  std::vector<Column> columns;
  for (size_t i = 0; i < table.columns.size(); ++i) columns.push_back(column_of(table, i));
  std::string lines;
  const std::vector<Panel> panels = panels_of(columns, screen.width);
  for (const Panel& panel : panels) {
    if (panels.size() > 1) {
      if (!lines.empty()) lines += '\n';
      lines +=
          screen.note(fmt::format("columns {} to {} of {}", panel[panel.size() > 1 ? 1 : 0] + 1,
                                  panel.back() + 1, columns.size()));
    }
    lines += draw_panel(columns, panel, table.rows.size(), screen);
  }
  if (table.rows.empty()) lines += screen.note("(no rows)");
  return lines + screen.note(table.note);
}

}  // namespace weir::report
