#pragma once

#include <string>
#include <vector>

#include "weir/report/report.h"

namespace weir::report {

/// Writes the numbers of one column or axis alike, with about four significant digits of the
/// largest: whole numbers as such, else the same number of decimals for all. Very large and very
/// small ones have exponents, also a single one that would look like zero.
class NumberFormat {
 public:
  static NumberFormat of(const std::vector<double>& values);
  /// For values seen next to a colour scale from `low` to `high`: three significant digits of the
  /// larger end, and what is small against that is zero.
  static NumberFormat of_scale(double low, double high);
  /// For the marks of an axis `step` apart.
  static NumberFormat of_step(double step, double largest);

  /// "nan", "inf" and "-inf" where it is no number.
  std::string operator()(double value) const;

 private:
  enum class Kind { kFixed, kFixedOrZero, kExponent };
  Kind kind_ = Kind::kFixed;
  int decimals_ = 0;
};

/// One number alone, four significant digits.
std::string number_text(double value);
/// The shortest text that reads back as the same number.
std::string exact_text(double value);

/// The doubles among a column's cells.
std::vector<double> doubles_of(const std::vector<std::vector<Cell>>& rows, size_t column);
/// The text of a string or a link; null for a number.
const std::string* text_of(const Cell& cell);
std::string cell_text(const Cell& cell, const NumberFormat& format);

}  // namespace weir::report
