#include "weir/base/version.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Version, IsThreeNumbers) {
  EXPECT_EQ(std::count(version().begin(), version().end(), '.'), 2);
  EXPECT_EQ(version().find_first_not_of("0123456789."), std::string_view::npos);
}

}  // namespace
}  // namespace weir
