#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/plot_canvas.h"

namespace weir::report {
namespace {

constexpr int kRows = 14;

std::vector<double> all_values(const CurvesBlock& curves) {
  std::vector<double> values;
  for (const Series& series : curves.series) {
    values.insert(values.end(), series.y.begin(), series.y.end());
  }
  return values;
}

void draw_line(PlotCanvas& canvas, const CurvesBlock& curves, const PlotFrame& frame, size_t i) {
  double last_x = NAN, last_y = NAN;
  for (size_t point = 0; point < curves.x.size(); ++point) {
    const double x = frame.x.position(curves.x[point]);
    const double y = frame.y.position(curves.series[i].y[point]);
    canvas.dot(x, y, i);
    canvas.segment(last_x, last_y, x, y, i);
    last_x = x;
    last_y = y;
  }
}

void draw_letters(PlotCanvas& canvas, const CurvesBlock& curves, const PlotFrame& frame, size_t i) {
  for (size_t point = 0; point < curves.x.size(); ++point) {
    canvas.letter(frame.x.position(curves.x[point]), frame.y.position(curves.series[i].y[point]),
                  i);
  }
}

std::vector<std::string> names_of(const CurvesBlock& curves) {
  std::vector<std::string> names;
  for (const Series& series : curves.series) names.push_back(series.name);
  return names;
}

// What a logarithmic axis cannot show must not vanish unsaid.
std::string omissions(const CurvesBlock& curves, const Screen& screen) {
  if (!curves.log_y) return "";
  const std::vector<double> values = all_values(curves);
  const auto count = std::count_if(values.begin(), values.end(), [](double y) { return y <= 0; });
  if (count == 0) return "";
  return screen.note(
      fmt::format("{} values of 0 or less have no place on the logarithmic axis", count));
}

}  // namespace

std::string draw(const CurvesBlock& curves, const Screen& screen) {
  if (curves.x.empty() || curves.series.empty()) return screen.note("(no values)");
  PlotFrame frame{Axis::of(curves.x), Axis::of(all_values(curves), curves.log_y).rounded(8),
                  curves.x_label, curves.y_label};
  PlotCanvas canvas(canvas_columns(frame, kRows, screen), kRows);
  const size_t n_series = curves.series.size();
  const bool has_letters = n_series > 1 && !screen.has_color;
  // The first series is drawn last, over the others.
  for (size_t i = n_series; i-- > 0;) {
    if (has_letters) {
      draw_letters(canvas, curves, frame, i);
    } else {
      draw_line(canvas, curves, frame, i);
    }
  }
  std::string lines = framed(canvas, frame, n_series, screen);
  const bool is_told_by_axis = n_series == 1 && curves.series[0].name == curves.y_label;
  if (!is_told_by_axis) {
    lines += n_series == 1 ? screen.note(curves.series[0].name)
                           : series_legend(names_of(curves), screen);
  }
  const bool has_bands = std::any_of(curves.series.begin(), curves.series.end(),
                                     [](const Series& series) { return !series.lower.empty(); });
  if (has_bands) lines += screen.note("the bands are in the HTML, JSON and CSV forms");
  return lines + omissions(curves, screen);
}

}  // namespace weir::report
