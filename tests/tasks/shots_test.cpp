#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/refusal.h"
#include "tests/tasks/tokenizers.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

using ::testing::HasSubstr;
using testing::smollm2;

TaskOptions few(int64_t n, int64_t shots) {
  TaskOptions options;
  options.n = n;
  options.shots = shots;
  return options;
}

bool is_relation(const std::string& task) {
  const auto names = relation_names();
  return std::find(names.begin(), names.end(), task) != names.end();
}

TEST(Shots, OnePromptCanHaveMany) {
  for (const Task& task : tasks()) {
    const PromptSet set = make_task(task.name, few(1, 4), smollm2());
    const PromptSet bare = make_task(task.name, few(1, 0), smollm2());
    ASSERT_EQ(set.size(), 1) << task.name;
    EXPECT_GT(set.prompts[0].clean.tokens.size(), 3 * bare.prompts[0].clean.tokens.size());
    // What generators ask does not change with the shots.
    const bool is_text_generator = task.name != "repeated-tokens" && !is_relation(task.name);
    if (!is_text_generator) continue;
    EXPECT_EQ(set.prompts[0].answer, bare.prompts[0].answer);
  }
}

TEST(Shots, OfCapitalsAreThePlainClauseOfOtherCountries) {
  for (const Prompt& prompt : make_task("capitals", few(30, 2), smollm2()).prompts) {
    const std::string& text = prompt.clean.text;
    EXPECT_EQ(text.rfind("The capital of ", 0), 0U) << text;
    EXPECT_EQ(text.find(prompt.groups.at("subject")), text.rfind(prompt.groups.at("subject")));
    EXPECT_EQ(text.find(smollm2().decode(prompt.answer)), std::string::npos) << text;
  }
}

TEST(Shots, NeverSolveThePartner) {
  for (const char* task : {"capitals", "country_capital_city", "verb_past_tense"}) {
    for (const Prompt& prompt : make_task(task, few(40, 6), smollm2()).prompts) {
      if (prompt.corrupt.tokens.empty()) continue;
      const auto at = prompt.corrupt.roles.at("subject_first");
      const auto to = prompt.corrupt.roles.at("subject_last");
      const auto begin = prompt.corrupt.tokens.begin();
      const std::string subject = smollm2().decode({begin + at, begin + to + 1});
      const std::string before = smollm2().decode({begin, begin + at});
      EXPECT_EQ(before.find(subject + " is"), std::string::npos) << prompt.corrupt.text;
    }
  }
}

TEST(Shots, OfIoiNameNobodyOfThePrompt) {
  for (const Prompt& prompt : make_task("ioi", few(30, 3), smollm2()).prompts) {
    const auto& roles = prompt.clean.roles;
    const auto first = std::min(roles.at("io_first"), roles.at("s1_first"));
    for (const int64_t name : {prompt.answer.front(), prompt.wrong.front()}) {
      const auto begin = prompt.clean.tokens.begin();
      EXPECT_EQ(std::count(begin, begin + first, name), 0) << prompt.clean.text;
    }
  }
}

TEST(Shots, MoreThanThereAreExamplesAreRefused) {
  EXPECT_THAT(testing::refusal([] { make_task("capitals", few(2, 15), smollm2()); }),
              HasSubstr("expected at most 14 shots"));
  EXPECT_THAT(testing::refusal([] { make_task("country_language", few(2, 99), smollm2()); }),
              HasSubstr("expected at most"));
}

}  // namespace
}  // namespace weir
