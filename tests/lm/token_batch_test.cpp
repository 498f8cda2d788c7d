#include "weir/lm/token_batch.h"

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

TEST(CheckShape, RefusesOtherTypesAndShapes) {
  EXPECT_NO_THROW(check_shape({at::zeros({1, 2}, at::kLong), {}}));
  EXPECT_THROW(check_shape({at::zeros({1, 2}), {}}), Error);
  EXPECT_THROW(check_shape({at::zeros({2}, at::kLong), {}}), Error);
  EXPECT_THROW(check_shape({at::zeros({1, 0}, at::kLong), {}}), Error);
  EXPECT_THROW(check_shape({}), Error);
}

}  // namespace
}  // namespace weir
