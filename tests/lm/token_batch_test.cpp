#include "weir/lm/token_batch.h"

#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "weir/base/error.h"

namespace weir {
namespace {

TEST(LeftPad, PutsPadsOnTheLeftAndMasksThem) {
  const TokenBatch batch = left_pad({{1, 2, 3}, {4}}, 9);
  EXPECT_TRUE(at::equal(batch.tokens, at::tensor({1, 2, 3, 9, 9, 4}, at::kLong).view({2, 3})));
  EXPECT_TRUE(
      at::equal(batch.attention_mask, at::tensor({1, 1, 1, 0, 0, 1}).view({2, 3}).to(at::kBool)));
}

TEST(LeftPad, LeavesEqualRowsUnmasked) {
  EXPECT_FALSE(left_pad({{1, 2}, {3, 4}}).attention_mask.defined());
}

TEST(LeftPad, RefusesEmptyRows) {
  EXPECT_THROW(left_pad({}), Error);
  EXPECT_THROW(left_pad({{1}, {}}), Error);
}

TEST(CheckTokens, NamesAnIdOutsideTheVocabulary) {
  check_tokens(at::tensor({0, 9}, at::kLong).view({1, 2}), 10);
  for (const int64_t bad : {int64_t{-1}, int64_t{10}, std::numeric_limits<int64_t>::max()}) {
    try {
      check_tokens(at::tensor(std::vector<int64_t>{0, bad}, at::kLong).view({1, 2}), 10);
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(std::to_string(bad)), std::string::npos);
    }
  }
}

TEST(CheckTokens, RefusesOtherTypesAndShapes) {
  EXPECT_THROW(check_tokens(at::zeros({1, 2}), 10), Error);
  EXPECT_THROW(check_tokens(at::zeros({2}, at::kLong), 10), Error);
  EXPECT_THROW(check_tokens(at::zeros({1, 0}, at::kLong), 10), Error);
  EXPECT_THROW(check_tokens({}, 10), Error);
}

}  // namespace
}  // namespace weir
