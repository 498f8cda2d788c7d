#include "weir/lm/token_batch.h"

#include <cmath>
#include <functional>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/refusal.h"
#include "weir/base/error.h"

namespace weir {
namespace {

using testing::refusal;

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

TEST(ToTokenIds, TakesWholeNumbersOfAnyType) {
  const at::Tensor ids = at::tensor({3, 5, 7}, at::kLong).view({1, 3});
  for (const auto type : {at::kByte, at::kInt, at::kLong, at::kHalf, at::kFloat, at::kDouble}) {
    EXPECT_TRUE(at::equal(to_token_ids(ids.to(type)), ids)) << type;
  }
}

TEST(ToTokenIds, NamesTheFirstValueThatIsNoId) {
  const at::Tensor ids = at::tensor({3., 5., 7., 9.}).view({2, 2});
  for (const double wrong : {5.7, std::nan(""), HUGE_VAL, 1e300}) {
    at::Tensor broken = ids.clone();
    broken[1][0] = wrong;
    const std::string message = refusal([&] { to_token_ids(broken); });
    EXPECT_NE(message.find(fmt::format("found {} at [1, 0]", wrong)), std::string::npos) << message;
  }
  EXPECT_NE(refusal([&] { to_token_ids(ids.to(at::kBool)); }).find("booleans"), std::string::npos);
  EXPECT_NE(refusal([&] { to_token_ids(ids.to(at::kComplexFloat)); }), "");
  EXPECT_NE(refusal([&] { to_token_ids({}); }), "");
}

TEST(ToAttentionMask, TakesZeroAndOneOfAnyType) {
  const at::Tensor mask = at::tensor({0, 1, 1}).view({1, 3});
  for (const auto type : {at::kBool, at::kByte, at::kLong, at::kHalf, at::kBFloat16, at::kDouble}) {
    EXPECT_TRUE(at::equal(to_attention_mask(mask.to(type)), mask.to(at::kBool))) << type;
  }
}

TEST(ToAttentionMask, RefusesOtherConventions) {
  const at::Tensor mask = at::tensor({1., 0., 1., 1.}).view({2, 2});
  for (const double wrong : {-1e9, -HUGE_VAL, 0.5, 2., std::nan("")}) {
    at::Tensor broken = mask.clone();
    broken[1][1] = wrong;
    const std::string message = refusal([&] { to_attention_mask(broken); });
    EXPECT_NE(message.find("at [1, 1]"), std::string::npos) << message;
  }
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
