#include "weir/tasks/prompt_set.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/refusal.h"

namespace weir {
namespace {

Prompt prompt(std::vector<int64_t> tokens, int64_t subject, const std::string& group) {
  Prompt result;
  result.clean.tokens = std::move(tokens);
  result.clean.roles = {{"subject_last", subject}};
  result.groups = {{"subject", group}};
  result.answer = {subject + 10, 3};
  return result;
}

TEST(PromptSet, PositionsCountInTheRectanglePaddedOnTheLeft) {
  const PromptSet set{"t", 0, {prompt({5, 6, 7}, 1, "a"), prompt({8, 9, 1, 2, 3}, 4, "b")}};
  EXPECT_TRUE(set.positions("subject_last").equal(at::tensor({3, 4}, at::kLong)));
  EXPECT_TRUE(set.answers().equal(at::tensor({11, 14}, at::kLong)));
}

TEST(PromptSet, GroupsKeepTheOrderOfTheirFirstPrompt) {
  const PromptSet set{"t", 0, {prompt({5}, 0, "b"), prompt({6}, 0, "a"), prompt({7}, 0, "b")}};
  EXPECT_EQ(set.group("subject").names, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(set.group("subject").index, (std::vector<int64_t>{0, 1, 0}));
}

TEST(PromptSet, NamesWhatIsThereWhenARoleIsNot) {
  const PromptSet set{"t", 0, {prompt({5}, 0, "b")}};
  try {
    set.positions("end");
    FAIL() << "expected a refusal";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("subject_last"));
  }
  EXPECT_THAT(testing::refusal([&] { set.corrupt_rows(); }), ::testing::HasSubstr("prompt 0"));
  EXPECT_FALSE(set.has_pairs());
}

}  // namespace
}  // namespace weir
