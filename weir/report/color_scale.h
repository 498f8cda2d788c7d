#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weir/report/number_text.h"
#include "weir/report/report.h"

namespace weir::report {

struct Rgb {
  uint8_t red = 0, green = 0, blue = 0;
  std::string hex() const;  ///< "#1f77b4"
};

enum class ColorRamp {
  kSequential,  ///< Dark violet over green to light yellow.
  kDiverging,   ///< Blue over white to red.
};

/// The colour at `position` (0 to 1). Both ramps are lines in OKLCh, so that equal steps of the
/// position look about equal and lightness alone orders the sequential one (Ottosson, "A perceptual
/// color space for image processing", 2020).
Rgb ramp_color(ColorRamp ramp, double position);

/// A ramp has this many colours; the level (from 0) of a position is the nearest one.
constexpr int kRampLevels = 256;
int ramp_level(double position);

/// Whether text on this colour should be black rather than white.
bool needs_dark_text(Rgb background);

/// Series i of n: a fixed set of hues for up to eight, the sequential ramp beyond.
Rgb series_color(size_t i, size_t n);

/// What value has which colour.
class ColorScale {
 public:
  /// Over `range` when given, else over the finite values; widened to be symmetric about
  /// zero when diverging.
  ColorScale(const std::vector<double>& values, std::optional<std::pair<double, double>> range,
             ColorRamp ramp);

  ColorRamp ramp() const { return ramp_; }
  double low() const { return low_; }
  double high() const { return high_; }
  /// 0 to 1, clamped; NaN stays NaN.
  double position(double value) const;
  /// Grey for NaN.
  Rgb color(double value) const;
  /// For the values and for the ends of the legend.
  NumberFormat number_format() const { return NumberFormat::of_scale(low_, high_); }

 private:
  double low_ = 0, high_ = 1;
  ColorRamp ramp_;
};

std::vector<double> flattened(const std::vector<std::vector<double>>& rows);

/// One scale for all heads, from 0 to the largest weight; diverging when there are negative ones.
ColorScale attention_scale(const AttentionBlock& attention);
ColorScale scale_of(const HeatMapBlock& map);
ColorScale scale_of(const ScatterBlock& scatter);
/// Of the nodes' values; diverging when there are negative ones.
ColorScale scale_of(const GraphBlock& graph);

}  // namespace weir::report
