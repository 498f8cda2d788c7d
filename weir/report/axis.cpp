#include "weir/report/axis.h"

#include <algorithm>
#include <cmath>

#include "weir/report/number_text.h"

namespace weir::report {
namespace {

// 1, 2 or 5 times a power of ten, such that `span` holds at most `count` of it.
double round_step(double span, int count) {
  const double least = span / std::max(1, count);
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

}  // namespace

Axis Axis::of(const std::vector<double>& values, bool is_log) {
  Axis axis;
  axis.is_log_ = is_log;
  double low = INFINITY, high = -INFINITY;
  for (const double value : values) {
    if (!std::isfinite(value) || (is_log && value <= 0)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) low = is_log ? 1 : 0, high = is_log ? 10 : 1;
  // Also when the values differ by so little that no step between them can be told apart.
  const double least_span = 1e-9 * std::max(std::abs(low), std::abs(high));
  if (high - low <= least_span) {
    const double margin = low == 0 ? 1 : std::abs(low) / 2;
    low = is_log ? low / 2 : low - margin;
    high = is_log ? high * 2 : high + margin;
  }
  axis.low_ = low;
  axis.high_ = high;
  return axis;
}

Axis Axis::rounded(int count) const {
  Axis axis = *this;
  if (is_log_) {
    axis.low_ = std::pow(10.0, std::floor(std::log10(low_) + 1e-9));
    axis.high_ = std::pow(10.0, std::ceil(std::log10(high_) - 1e-9));
    // One cramped curve in a decade is worse than uneven ends.
    return std::log10(axis.high_ / axis.low_) > 2 * std::log10(high_ / low_) ? *this : axis;
  }
  const double step = round_step(high_ - low_, count);
  axis.low_ = std::floor(low_ / step + 1e-9) * step;
  axis.high_ = std::ceil(high_ / step - 1e-9) * step;
  return axis;
}

double Axis::position(double value) const {
  if (!std::isfinite(value) || (is_log_ && value <= 0)) return NAN;
  if (is_log_) return std::log(value / low_) / std::log(high_ / low_);
  return (value - low_) / (high_ - low_);
}

std::vector<Tick> Axis::ticks(int count) const {
  if (is_log_) return log_ticks(count);
  const double step = round_step(high_ - low_, count);
  const auto format = NumberFormat::of_step(step, std::max(std::abs(low_), std::abs(high_)));
  std::vector<Tick> ticks;
  const double first = std::ceil(low_ / step - 1e-6), last = std::floor(high_ / step + 1e-6);
  for (double i = first; i <= last; ++i) {
    ticks.push_back({std::clamp(position(i * step), 0.0, 1.0), format(i * step)});
  }
  return ticks;
}

std::vector<Tick> Axis::log_ticks(int count) const {
  const int first = static_cast<int>(std::ceil(std::log10(low_) - 1e-9));
  const int last = static_cast<int>(std::floor(std::log10(high_) + 1e-9));
  const bool has_few_powers = last - first < 2;
  const int stride = std::max(1, (last - first) / std::max(1, count));
  std::vector<Tick> ticks;
  // One power more below, whose double or fivefold may be on the axis.
  for (int exponent = has_few_powers ? first - 1 : first; exponent <= last; exponent += stride) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1 && !has_few_powers) break;
      const double value = factor * std::pow(10.0, exponent);
      if (value < low_ * (1 - 1e-9) || value > high_ * (1 + 1e-9)) continue;
      ticks.push_back({std::clamp(position(value), 0.0, 1.0), number_text(value)});
    }
  }
  // Less than a factor of two: no round number but the ends.
  if (ticks.empty()) ticks = {{0, number_text(low_)}, {1, number_text(high_)}};
  return ticks;
}

}  // namespace weir::report
