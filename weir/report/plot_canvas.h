#pragma once

#include <string>
#include <vector>

#include "weir/report/axis.h"
#include "weir/report/screen.h"

namespace weir::report {

/// A plot in characters: each is 2 x 4 dots (Unicode braille) in the colour of the series that drew
/// in it last, or one letter. Coordinates are 0 to 1, from the left and from the bottom.
class PlotCanvas {
 public:
  PlotCanvas(int columns, int rows);

  void dot(double x, double y, size_t series);
  /// Dots from one point to the other.
  void segment(double x0, double y0, double x1, double y1, size_t series);
  /// The series' letter in the character at the point: for several series without colours.
  void letter(double x, double y, size_t series);

  int columns() const { return columns_; }
  int rows() const { return rows_; }
  /// The characters of a row, from the top, coloured by series.
  std::string row_text(int row, size_t n_series, const Screen& screen) const;

 private:
  struct Character {
    unsigned dots = 0;
    char letter = 0;
    size_t series = 0;
  };
  void set_dot(int dot_x, int dot_y, size_t series);

  int columns_, rows_;
  std::vector<Character> characters_;
};

/// The letter of a series ("*", "o", "+", ...), repeating after nine.
char series_letter(size_t series);

struct PlotFrame {
  Axis x, y;
  std::string x_label, y_label;
};

/// Columns that remain for the canvas beside the labels of the y axis.
int canvas_columns(const PlotFrame& frame, int rows, const Screen& screen);
/// The canvas with its axes, marks and labels.
std::string framed(const PlotCanvas& canvas, const PlotFrame& frame, size_t n_series,
                   const Screen& screen);
/// "* entropy  o KL", each in its colour, wrapped to the width.
std::string series_legend(const std::vector<std::string>& names, const Screen& screen);

}  // namespace weir::report
