#include "weir/report/number_text.h"

#include <cmath>

#include <gtest/gtest.h>

namespace weir::report {
namespace {

TEST(NumberFormat, KeepsFourDigitsOfTheLargest) {
  const auto format = NumberFormat::of({0.73121, 0.01234});
  EXPECT_EQ(format(0.73121), "0.7312");
  EXPECT_EQ(format(0.01234), "0.0123");
  EXPECT_EQ(NumberFormat::of({123.456})(123.456), "123.5");
}

TEST(NumberFormat, WritesWholeNumbersAsSuch) {
  const auto format = NumberFormat::of({3, 1234567});
  EXPECT_EQ(format(3), "3");
  EXPECT_EQ(format(1234567), "1234567");
}

TEST(NumberFormat, DoesNotShowASmallNumberAsZero) {
  const auto format = NumberFormat::of({0.7312, 3.7e-5});
  EXPECT_EQ(format(3.7e-5), "3.7e-05");
  EXPECT_EQ(format(0), "0.0000");
}

TEST(NumberFormat, ShowsWhatIsSmallOnAScaleAsZeroWithoutASign) {
  const auto format = NumberFormat::of_scale(-2.4, 2.4);
  EXPECT_EQ(format(-1e-9), "0.00");
  EXPECT_EQ(format(-2.4), "-2.40");
}

TEST(NumberFormat, SaysWhatIsNoNumber) {
  const auto format = NumberFormat::of({1, NAN});
  EXPECT_EQ(format(NAN), "nan");
  EXPECT_EQ(format(INFINITY), "inf");
  EXPECT_EQ(format(-INFINITY), "-inf");
}

TEST(ExactText, ReadsBackAsTheSameNumber) {
  for (const double value : {0.1, 1.0 / 3, 1e300, -5e-324, 123456789.125}) {
    EXPECT_EQ(std::strtod(exact_text(value).c_str(), nullptr), value);
  }
}

}  // namespace
}  // namespace weir::report
