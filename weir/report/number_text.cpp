#include "weir/report/number_text.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/display_text.h"

namespace weir::report {
namespace {

constexpr int kSignificant = 4;
constexpr int kSignificantOnScale = 3;
constexpr double kLargestFixed = 1e7;
constexpr double kSmallestFixed = 1e-4;

int decimals_for(double largest, int significant) {
  const int exponent = static_cast<int>(std::floor(std::log10(largest)));
  return std::max(0, significant - 1 - exponent);
}

std::string without_number(double value) {
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

}  // namespace

NumberFormat NumberFormat::of(const std::vector<double>& values) {
  double largest = 0;
  bool is_whole = true;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    largest = std::max(largest, std::abs(value));
    is_whole = is_whole && std::floor(value) == value;
  }
  NumberFormat format;
  if (largest == 0 || (is_whole && largest < 1e12)) return format;
  if (largest >= kLargestFixed || largest < kSmallestFixed) {
    format.kind_ = Kind::kExponent;
  } else {
    format.decimals_ = std::max(1, decimals_for(largest, kSignificant));
  }
  return format;
}

NumberFormat NumberFormat::of_scale(double low, double high) {
  const double largest = std::max(std::abs(low), std::abs(high));
  NumberFormat format;
  if (largest >= kLargestFixed || largest < kSmallestFixed) {
    format.kind_ = Kind::kExponent;
  } else {
    format.kind_ = Kind::kFixedOrZero;
    format.decimals_ = decimals_for(largest, kSignificantOnScale);
  }
  return format;
}

NumberFormat NumberFormat::of_step(double step, double largest) {
  NumberFormat format;
  if (std::abs(largest) >= kLargestFixed || step < kSmallestFixed) {
    format.kind_ = Kind::kExponent;
    return format;
  }
  // The step is 1, 2 or 5 times a power of ten; the tolerance is for its rounding.
  format.decimals_ = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
  return format;
}

std::string NumberFormat::operator()(double value) const {
  if (!std::isfinite(value)) return without_number(value);
  if (kind_ == Kind::kExponent) return number_text(value);
  const std::string text = fmt::format("{:.{}f}", value, decimals_);
  const bool is_zero = text.find_first_of("123456789") == std::string::npos;
  if (is_zero && value != 0 && kind_ == Kind::kFixed) return fmt::format("{:.1e}", value);
  return is_zero && text[0] == '-' ? text.substr(1) : text;
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return without_number(value);
  return fmt::format("{:.{}g}", value, kSignificant);
}

std::string exact_text(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : without_number(value);
}

std::vector<double> doubles_of(const std::vector<std::vector<Cell>>& rows, size_t column) {
  std::vector<double> values;
  for (const auto& row : rows) {
    if (const auto* value = std::get_if<double>(&row[column])) values.push_back(*value);
  }
  return values;
}

const std::string* text_of(const Cell& cell) {
  if (const auto* link = std::get_if<Link>(&cell)) return &link->text;
  return std::get_if<std::string>(&cell);
}

std::string cell_text(const Cell& cell, const NumberFormat& format) {
  if (const std::string* text = text_of(cell)) return visible(*text, Spaces::kMarked);
  if (const auto* value = std::get_if<double>(&cell)) return format(*value);
  return std::to_string(std::get<int64_t>(cell));
}

}  // namespace weir::report
