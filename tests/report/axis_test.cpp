#include "weir/report/axis.h"

#include <cmath>

#include <gtest/gtest.h>

namespace weir::report {
namespace {

std::vector<std::string> labels(const std::vector<Tick>& ticks) {
  std::vector<std::string> result;
  for (const Tick& tick : ticks) result.push_back(tick.label);
  return result;
}

TEST(Axis, MarksRoundValues) {
  EXPECT_EQ(labels(Axis::of({0, 30}).ticks(6)),
            (std::vector<std::string>{"0", "5", "10", "15", "20", "25", "30"}));
  EXPECT_EQ(labels(Axis::of({-0.13, 0.37}).ticks(5)),
            (std::vector<std::string>{"-0.1", "0.0", "0.1", "0.2", "0.3"}));
}

TEST(Axis, RoundsItsEndsOutwards) {
  const Axis axis = Axis::of({0.3, 11.4}).rounded(8);
  EXPECT_EQ(axis.low(), 0);
  EXPECT_EQ(axis.high(), 12);
}

TEST(Axis, PlacesPowersOfTenEvenly) {
  const Axis axis = Axis::of({1, 1000, -5, 0}, true);
  EXPECT_DOUBLE_EQ(axis.position(10), 1.0 / 3);
  EXPECT_TRUE(std::isnan(axis.position(0)));
  EXPECT_EQ(labels(axis.ticks(4)), (std::vector<std::string>{"1", "10", "100", "1000"}));
}

TEST(Axis, DrawsEqualOrNoValues) {
  for (const auto& values : {std::vector<double>{}, {0}, {7}, {-3, -3}, {NAN, INFINITY}}) {
    const Axis axis = Axis::of(values).rounded(5);
    EXPECT_LT(axis.low(), axis.high());
    EXPECT_FALSE(axis.ticks(5).empty());
  }
}

TEST(Axis, SurvivesValuesNextToEachOther) {
  const Axis axis = Axis::of({1.0, std::nextafter(1.0, 2.0)}).rounded(5);
  EXPECT_LE(axis.ticks(5).size(), 12U);
  EXPECT_GE(axis.ticks(5).size(), 1U);
}

TEST(Axis, TicksStayOnTheAxis) {
  for (double low = -3; low < 3; low += 0.7) {
    for (double span = 1e-3; span < 1e6; span *= 7) {
      const Axis axis = Axis::of({low, low + span});
      for (const Tick& tick : axis.ticks(6)) {
        EXPECT_GE(tick.position, 0);
        EXPECT_LE(tick.position, 1);
      }
      EXPECT_LE(axis.ticks(6).size(), 8U);
    }
  }
}

}  // namespace
}  // namespace weir::report
