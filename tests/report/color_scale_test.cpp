#include "weir/report/color_scale.h"

#include <cmath>

#include <gtest/gtest.h>

namespace weir::report {
namespace {

double linear(uint8_t value) {
  const double x = value / 255.0;
  return x <= 0.04045 ? x / 12.92 : std::pow((x + 0.055) / 1.055, 2.4);
}

// CIE L* of the colour: another measure of lightness than the one the ramps are built with.
double lightness(Rgb color) {
  const double y =
      0.2126 * linear(color.red) + 0.7152 * linear(color.green) + 0.0722 * linear(color.blue);
  return y > 0.008856 ? 116 * std::cbrt(y) - 16 : 903.3 * y;
}

TEST(SequentialRamp, GrowsSteadilyLighter) {
  double last = -1;
  for (int level = 0; level < kRampLevels; level += 15) {
    const double now = lightness(ramp_color(ColorRamp::kSequential, level / 255.0));
    EXPECT_GT(now, last);
    // Even steps would be 5 of 85; OKLab's and CIE's lightness differ by a few.
    if (last >= 0) {
      EXPECT_LT(now - last, 9);
    }
    last = now;
  }
  EXPECT_LT(lightness(ramp_color(ColorRamp::kSequential, 0)), 15);
  EXPECT_GT(lightness(ramp_color(ColorRamp::kSequential, 1)), 85);
}

TEST(DivergingRamp, IsWhiteInTheMiddleBlueBelowAndRedAbove) {
  const Rgb middle = ramp_color(ColorRamp::kDiverging, 0.5);
  EXPECT_GT(lightness(middle), 94);
  const Rgb low = ramp_color(ColorRamp::kDiverging, 0);
  const Rgb high = ramp_color(ColorRamp::kDiverging, 1);
  EXPECT_GT(low.blue, low.red + 80);
  EXPECT_GT(high.red, high.blue + 80);
}

TEST(TextOnRamps, HasAContrastOfAtLeastThree) {
  for (const auto ramp : {ColorRamp::kSequential, ColorRamp::kDiverging}) {
    for (int level = 0; level < kRampLevels; ++level) {
      const Rgb color = ramp_color(ramp, level / 255.0);
      const double y =
          0.2126 * linear(color.red) + 0.7152 * linear(color.green) + 0.0722 * linear(color.blue);
      const double contrast = needs_dark_text(color) ? (y + 0.05) / 0.05 : 1.05 / (y + 0.05);
      EXPECT_GE(contrast, 3) << color.hex();
    }
  }
}

TEST(ColorScale, CentresDivergingColoursOnZero) {
  const ColorScale scale({-1, 3}, std::nullopt, ColorRamp::kDiverging);
  EXPECT_EQ(scale.position(0), 0.5);
  EXPECT_EQ(scale.low(), -3);
  EXPECT_EQ(ColorScale({}, {{-1, 2}}, ColorRamp::kDiverging).position(0), 0.5);
}

TEST(ColorScale, ClampsAndKeepsNaN) {
  const ColorScale scale({0, 10, NAN, INFINITY}, std::nullopt, ColorRamp::kSequential);
  EXPECT_EQ(scale.high(), 10);
  EXPECT_EQ(scale.position(INFINITY), 1);
  EXPECT_EQ(scale.position(-5), 0);
  EXPECT_TRUE(std::isnan(scale.position(NAN)));
}

TEST(ColorScale, HasARangeForEqualOrNoValues) {
  for (const auto& values : {std::vector<double>{}, {0}, {4, 4}, {-4}, {NAN}}) {
    const ColorScale scale(values, std::nullopt, ColorRamp::kSequential);
    EXPECT_LT(scale.low(), scale.high());
  }
}

}  // namespace
}  // namespace weir::report
