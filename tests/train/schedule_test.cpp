#include "weir/train/schedule.h"

#include <gtest/gtest.h>

#include "weir/base/error.h"

namespace weir {
namespace {

TEST(Schedule, LinearRisesAndFalls) {
  const auto linear = [](int64_t step, int64_t warmup, int64_t total) {
    return rate_factor({ScheduleKind::kLinear, warmup, total}, step);
  };
  EXPECT_EQ(linear(0, 0, 10), 1);
  EXPECT_EQ(linear(0, 4, 10), 0);
  EXPECT_EQ(linear(2, 4, 10), 0.5);
  EXPECT_EQ(linear(4, 4, 10), 1);
  EXPECT_EQ(linear(7, 4, 10), 0.5);
  EXPECT_EQ(linear(10, 4, 10), 0);
  EXPECT_EQ(linear(25, 4, 10), 0);
  EXPECT_EQ(linear(5, 4, 4), 0) << "an end that is no later than the warm-up";
}

TEST(Schedule, WsdIsStableUntilItsDecay) {
  Schedule wsd{ScheduleKind::kWsd, 2, 10};
  wsd.decay = 4;
  wsd.least = 0.5;
  wsd.decay_shape = DecayShape::kLinear;
  EXPECT_EQ(rate_factor(wsd, 0), 0.5);
  EXPECT_EQ(rate_factor(wsd, 6), 1);
  EXPECT_EQ(rate_factor(wsd, 8), 0.75);
  EXPECT_EQ(rate_factor(wsd, 10), 0.5);
  EXPECT_EQ(rate_factor(wsd, 99), 0.5);
}

TEST(Schedule, NamesAreKnownOrRefused) {
  EXPECT_EQ(parse_schedule("wsd"), ScheduleKind::kWsd);
  EXPECT_EQ(parse_decay_shape("1-sqrt"), DecayShape::kOneMinusSqrt);
  EXPECT_THROW(parse_schedule("cosin"), Error);
}

}  // namespace
}  // namespace weir
