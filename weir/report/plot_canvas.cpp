#include "weir/report/plot_canvas.h"

#include <algorithm>
#include <cmath>

#include "weir/report/display_text.h"

namespace weir::report {
namespace {

constexpr int kDotsAcross = 2, kDotsDown = 4;

// Bits of the braille block (U+2800) by row and column of the dot.
constexpr unsigned kDotBits[kDotsDown][kDotsAcross] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};

std::string braille(unsigned dots) {
  if (dots == 0) return " ";
  return {'\xe2', static_cast<char>(0xa0 | dots >> 6), static_cast<char>(0x80 | (dots & 0x3f))};
}

int cell_of(double position, int count) {
  return std::clamp(static_cast<int>(std::lround(position * (count - 1))), 0, count - 1);
}

}  // namespace

PlotCanvas::PlotCanvas(int columns, int rows)
    : columns_(columns), rows_(rows), characters_(static_cast<size_t>(columns * rows)) {}

void PlotCanvas::set_dot(int dot_x, int dot_y, size_t series) {
  const int row = dot_y / kDotsDown, column = dot_x / kDotsAcross;
  Character& character = characters_[static_cast<size_t>(row * columns_ + column)];
  character.dots |= kDotBits[dot_y % kDotsDown][dot_x % kDotsAcross];
  character.series = series;
}

void PlotCanvas::dot(double x, double y, size_t series) {
  if (std::isnan(x) || std::isnan(y)) return;
  set_dot(cell_of(x, columns_ * kDotsAcross), cell_of(1 - y, rows_ * kDotsDown), series);
}

void PlotCanvas::segment(double x0, double y0, double x1, double y1, size_t series) {
  if (std::isnan(x0 + y0 + x1 + y1)) return;
  const int steps = static_cast<int>(std::ceil(
      std::max(std::abs(x1 - x0) * columns_ * kDotsAcross, std::abs(y1 - y0) * rows_ * kDotsDown)));
  for (int i = 0; i <= steps; ++i) {
    const double part = steps == 0 ? 0 : static_cast<double>(i) / steps;
    dot(x0 + part * (x1 - x0), y0 + part * (y1 - y0), series);
  }
}

void PlotCanvas::letter(double x, double y, size_t series) {
  if (std::isnan(x) || std::isnan(y)) return;
  const int row = cell_of(1 - y, rows_), column = cell_of(x, columns_);
  Character& character = characters_[static_cast<size_t>(row * columns_ + column)];
  character.letter = series_letter(series);
  character.series = series;
}

std::string PlotCanvas::row_text(int row, size_t n_series, const Screen& screen) const {
  std::string text;
  for (int column = 0; column < columns_; ++column) {
    const Character& character = characters_[static_cast<size_t>(row * columns_ + column)];
    const std::string shown =
        character.letter != 0 ? std::string(1, character.letter) : braille(character.dots);
    text += shown == " " ? shown : screen.colored(shown, series_color(character.series, n_series));
  }
  return text;
}

char series_letter(size_t series) {
  constexpr std::string_view kLetters = "*o+x#@%&=";
  return kLetters[series % kLetters.size()];
}

}  // namespace weir::report
