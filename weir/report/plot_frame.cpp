#include <algorithm>
#include <cmath>

#include "weir/report/display_text.h"
#include "weir/report/plot_canvas.h"

namespace weir::report {
namespace {

constexpr int kColumnsPerTick = 12;
constexpr int kRowsPerTick = 3;

int character_of(double position, int count) {
  return std::clamp(static_cast<int>(std::lround(position * (count - 1))), 0, count - 1);
}

// A label for each row of the canvas, most of them empty.
std::vector<std::string> y_labels(const Axis& axis, int rows) {
  std::vector<std::string> labels(static_cast<size_t>(rows));
  for (const Tick& tick : axis.ticks(std::max(2, rows / kRowsPerTick))) {
    labels[static_cast<size_t>(character_of(1 - tick.position, rows))] = tick.label;
  }
  return labels;
}

// The marks below the axis, centred under their places, without those that would touch another.
std::string x_labels(const Axis& axis, int columns) {
  std::string line(static_cast<size_t>(columns), ' ');
  int free_from = 0;
  for (const Tick& tick : axis.ticks(std::max(2, columns / kColumnsPerTick))) {
    const int length = static_cast<int>(tick.label.size());
    const int start = std::clamp(character_of(tick.position, columns) - length / 2, 0,
                                 std::max(0, columns - length));
    if (start < free_from || start + length > columns) continue;
    line.replace(static_cast<size_t>(start), tick.label.size(), tick.label);
    free_from = start + length + 1;
  }
  return line;
}

}  // namespace

int canvas_columns(const PlotFrame& frame, int rows, const Screen& screen) {
  return std::max(1, screen.width - display_width(y_labels(frame.y, rows)) - 2);
}

std::string framed(const PlotCanvas& canvas, const PlotFrame& frame, size_t n_series,
                   const Screen& screen) {
  const std::vector<std::string> labels = y_labels(frame.y, canvas.rows());
  const int margin = display_width(labels);
  std::string lines = screen.note(frame.y_label);
  for (int row = 0; row < canvas.rows(); ++row) {
    const std::string& label = labels[static_cast<size_t>(row)];
    const std::string axis = fitted(label, margin, Align::kRight) + (label.empty() ? " │" : " ┤");
    lines += screen.dim(axis) + canvas.row_text(row, n_series, screen) + '\n';
  }
  const std::string indent(static_cast<size_t>(margin + 1), ' ');
  lines += screen.dim(indent + "└" + repeated("─", canvas.columns())) + '\n';
  lines += screen.dim(indent + ' ' + x_labels(frame.x, canvas.columns())) + '\n';
  const std::string x_label = visible(frame.x_label);
  if (!x_label.empty()) {
    lines += screen.dim(indent + ' ' + fitted(x_label, canvas.columns(), Align::kCenter)) + '\n';
  }
  return lines;
}

std::string series_legend(const std::vector<std::string>& names, const Screen& screen) {
  std::string lines;
  int used = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string name = truncated(visible(names[i]), screen.width - 2);
    const int width = display_width(name) + 2;
    if (used > 0 && used + 2 + width > screen.width) {
      lines += '\n';
      used = 0;
    }
    if (used > 0) lines += "  ", used += 2;
    const std::string key = screen.has_color ? "\u2501" : std::string(1, series_letter(i));
    lines += screen.colored(key, series_color(i, names.size())) + ' ' + name;
    used += width;
  }
  return names.empty() ? "" : lines + '\n';
}

}  // namespace weir::report
