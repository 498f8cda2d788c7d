#include "weir/base/error.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Error, CarriesItsCodeAndOneFormattedLine) {
  try {
    fail(ErrorCode::kNotFound, "models: no model '{}' in {}", "gpt5", "/store");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_STREQ(error.what(), "models: no model 'gpt5' in /store");
    EXPECT_EQ(to_string(error.code()), "not_found");
  }
}

TEST(Error, RequirePassesWhenTheConditionHolds) {
  EXPECT_NO_THROW(require(true, "never shown"));
  EXPECT_THROW(require(false, "expected {}, got {}", 1, 2), Error);
}

}  // namespace
}  // namespace weir
