#include "weir/report/color_scale.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include <fmt/format.h>

namespace weir::report {
namespace {

constexpr double kDegrees = 3.14159265358979323846 / 180;
constexpr Rgb kNoValue{150, 150, 150};

struct Lch {
  double lightness, chroma, hue;  // hue in degrees
};

using Linear = std::array<double, 3>;

Linear linear_rgb(const Lch& color) {
  const double a = color.chroma * std::cos(color.hue * kDegrees);
  const double b = color.chroma * std::sin(color.hue * kDegrees);
  const auto cube = [](double x) { return x * x * x; };
  const double l = cube(color.lightness + 0.3963377774 * a + 0.2158037573 * b);
  const double m = cube(color.lightness - 0.1055613458 * a - 0.0638541728 * b);
  const double s = cube(color.lightness - 0.0894841775 * a - 1.2914855480 * b);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

bool is_displayable(const Linear& rgb) {
  return std::all_of(rgb.begin(), rgb.end(), [](double x) { return x >= -1e-4 && x <= 1 + 1e-4; });
}

uint8_t encoded(double linear) {
  const double x = std::clamp(linear, 0.0, 1.0);
  const double srgb = x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1 / 2.4) - 0.055;
  return static_cast<uint8_t>(std::lround(255 * srgb));
}

// The colour itself, or the most colourful one of the same lightness and hue that a screen shows.
Rgb to_rgb(Lch color) {
  while (color.chroma > 0 && !is_displayable(linear_rgb(color))) color.chroma -= 0.002;
  const Linear rgb = linear_rgb(color);
  return {encoded(rgb[0]), encoded(rgb[1]), encoded(rgb[2])};
}

Rgb sequential(double t) {
  // Violet, blue, teal, green, yellow; more colourful towards the light end, where there is room.
  return to_rgb({0.24 + 0.68 * t, 0.13 + 0.06 * t, 305 - 200 * t});
}

Rgb diverging(double t) {
  const double side = 2 * t - 1;
  const double size = std::abs(side);
  return to_rgb({0.97 - 0.50 * size, 0.19 * size, side < 0 ? 258.0 : 27.0});
}

// Relative luminance, as WCAG 2 defines it.
double luminance(Rgb color) {
  const auto linear = [](uint8_t value) {
    const double x = value / 255.0;
    return x <= 0.04045 ? x / 12.92 : std::pow((x + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(color.red) + 0.7152 * linear(color.green) + 0.0722 * linear(color.blue);
}

using RampTable = std::array<Rgb, kRampLevels>;

RampTable make_table(Rgb (*color_at)(double)) {
  RampTable table;
  for (int i = 0; i < kRampLevels; ++i) {
    table[static_cast<size_t>(i)] = color_at(static_cast<double>(i) / (kRampLevels - 1));
  }
  return table;
}

std::pair<double, double> finite_range(const std::vector<double>& values) {
  double low = INFINITY, high = -INFINITY;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) return {0, 1};
  if (low < high) return {low, high};
  return low == 0 ? std::pair(0.0, 1.0) : std::pair(std::min(0.0, low), std::max(0.0, low));
}

}  // namespace

std::string Rgb::hex() const { return fmt::format("#{:02x}{:02x}{:02x}", red, green, blue); }

Rgb ramp_color(ColorRamp ramp, double position) {
  static const RampTable sequential_table = make_table(sequential);
  static const RampTable diverging_table = make_table(diverging);
  const auto level = static_cast<size_t>(ramp_level(position));
  return ramp == ColorRamp::kSequential ? sequential_table[level] : diverging_table[level];
}

int ramp_level(double position) {
  return static_cast<int>(std::lround(std::clamp(position, 0.0, 1.0) * (kRampLevels - 1)));
}

bool needs_dark_text(Rgb background) {
  // Equal WCAG contrast would be at 0.18, but on mid teal and blue white still reads better; at
  // this limit white keeps a contrast of 3.5.
  return luminance(background) > 0.25;
}

Rgb series_color(size_t i, size_t n) {
  // Lightness in the middle, so that each can be read on white and on black.
  static constexpr std::array<Lch, 8> kHues = {{{0.62, 0.15, 250},
                                                {0.66, 0.17, 50},
                                                {0.64, 0.14, 155},
                                                {0.60, 0.20, 25},
                                                {0.60, 0.17, 305},
                                                {0.68, 0.13, 85},
                                                {0.66, 0.12, 205},
                                                {0.66, 0.18, 350}}};
  if (n <= kHues.size()) return to_rgb(kHues[i % kHues.size()]);
  return sequential(0.2 + 0.65 * static_cast<double>(i) / static_cast<double>(n - 1));
}

ColorScale::ColorScale(const std::vector<double>& values,
                       std::optional<std::pair<double, double>> range, ColorRamp ramp)
    : ramp_(ramp) {
  std::tie(low_, high_) = range ? *range : finite_range(values);
  if (ramp == ColorRamp::kDiverging) {
    high_ = std::max(std::abs(low_), std::abs(high_));
    low_ = -high_;
  }
}

double ColorScale::position(double value) const {
  if (std::isnan(value)) return value;
  return std::clamp((value - low_) / (high_ - low_), 0.0, 1.0);
}

Rgb ColorScale::color(double value) const {
  return std::isnan(value) ? kNoValue : ramp_color(ramp_, position(value));
}

std::vector<double> flattened(const std::vector<std::vector<double>>& rows) {
  std::vector<double> values;
  for (const auto& row : rows) values.insert(values.end(), row.begin(), row.end());
  return values;
}

ColorScale scale_of(const HeatMapBlock& map) {
  return {flattened(map.values), map.range,
          map.diverging ? ColorRamp::kDiverging : ColorRamp::kSequential};
}

ColorScale scale_of(const ScatterBlock& scatter) {
  return {scatter.values, scatter.range,
          scatter.diverging ? ColorRamp::kDiverging : ColorRamp::kSequential};
}

ColorScale scale_of(const GraphBlock& graph) {
  std::vector<double> values;
  for (const GraphNode& node : graph.nodes) values.push_back(node.value);
  const bool has_negative =
      std::any_of(values.begin(), values.end(), [](double value) { return value < 0; });
  return {values, std::nullopt, has_negative ? ColorRamp::kDiverging : ColorRamp::kSequential};
}

ColorScale attention_scale(const AttentionBlock& attention) {
  std::vector<double> values = {0};
  for (const auto& pattern : attention.patterns) {
    for (const auto& row : pattern) values.insert(values.end(), row.begin(), row.end());
  }
  const bool has_negative =
      std::any_of(values.begin(), values.end(), [](double value) { return value < 0; });
  return {values, std::nullopt, has_negative ? ColorRamp::kDiverging : ColorRamp::kSequential};
}

}  // namespace weir::report
