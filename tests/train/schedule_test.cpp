#include "weir/train/schedule.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Schedule, LinearRisesAndFalls) {
  EXPECT_EQ(linear_rate(0, 0, 10), 1);
  EXPECT_EQ(linear_rate(0, 4, 10), 0);
  EXPECT_EQ(linear_rate(2, 4, 10), 0.5);
  EXPECT_EQ(linear_rate(4, 4, 10), 1);
  EXPECT_EQ(linear_rate(7, 4, 10), 0.5);
  EXPECT_EQ(linear_rate(10, 4, 10), 0);
  EXPECT_EQ(linear_rate(25, 4, 10), 0);
  EXPECT_EQ(linear_rate(5, 4, 4), 0) << "an end that is no later than the warm-up";
}

TEST(Schedule, CosineEndsAtItsLeast) {
  EXPECT_EQ(cosine_rate(1, 2, 10), 0.5);
  EXPECT_EQ(cosine_rate(2, 2, 10, 0.1), 1);
  EXPECT_NEAR(cosine_rate(6, 2, 10, 0.1), 0.55, 1e-12);
  EXPECT_NEAR(cosine_rate(10, 2, 10, 0.1), 0.1, 1e-12);
  EXPECT_NEAR(cosine_rate(99, 2, 10, 0.1), 0.1, 1e-12);
}

}  // namespace
}  // namespace weir
