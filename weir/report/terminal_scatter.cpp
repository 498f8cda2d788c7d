#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/block_kind.h"
#include "weir/report/plot_canvas.h"

namespace weir::report {
namespace {

constexpr int kRows = 18;
constexpr size_t kMostListed = 20;

// Few points are also listed by name, which the plot cannot show.
std::string labels_of(const ScatterBlock& scatter, const Screen& screen) {
  const bool has_labels =
      std::any_of(scatter.points.begin(), scatter.points.end(),
                  [](const ScatterPoint& point) { return !point.label.empty(); });
  if (!has_labels) return "";
  if (scatter.points.size() > kMostListed) {
    return screen.note("the points' labels are in the HTML, JSON and CSV forms");
  }
  TableBlock table{"", {"label", "x", "y"}, {}, ""};
  for (const ScatterPoint& point : scatter.points) {
    table.rows.push_back({point.label, point.x, point.y});
  }
  return draw(table, screen);
}

}  // namespace

std::string draw(const ScatterBlock& scatter, const Screen& screen) {
  if (scatter.points.empty()) return screen.note("(no points)");
  std::vector<double> x, y;
  for (const ScatterPoint& point : scatter.points) {
    x.push_back(point.x);
    y.push_back(point.y);
  }
  PlotFrame frame{Axis::of(x), Axis::of(y), scatter.x_label, scatter.y_label};
  PlotCanvas canvas(canvas_columns(frame, kRows, screen), kRows);
  const Grouping groups = grouping_of(scatter);
  const size_t n_groups = groups.names.size();
  size_t not_drawn = 0;
  for (size_t i = 0; i < scatter.points.size(); ++i) {
    const double at_x = frame.x.position(x[i]), at_y = frame.y.position(y[i]);
    if (std::isnan(at_x) || std::isnan(at_y)) ++not_drawn;
    if (n_groups > 1 && !screen.has_color) {
      canvas.letter(at_x, at_y, groups.of_point[i]);
    } else {
      canvas.dot(at_x, at_y, groups.of_point[i]);
    }
  }
  std::string lines = framed(canvas, frame, n_groups, screen);
  lines += n_groups > 1 ? series_legend(groups.names, screen) : screen.note(groups.names[0]);
  if (not_drawn > 0) {
    lines +=
        screen.note(fmt::format("points without finite coordinates, not drawn: {}", not_drawn));
  }
  return lines + labels_of(scatter, screen);
}

}  // namespace weir::report
