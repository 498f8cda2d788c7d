#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "tests/support/golden.h"
#include "tests/support/refusal.h"
#include "weir/rl/tasks/problem.h"
#include "weir/rl/verify/verifier.h"

namespace weir::rl {
namespace {

TEST(MadeProblems, TrainingAndTestNeverMeet) {
  for (const std::string& kind : made_kinds()) {
    for (const int64_t level : {1, 2, 4}) {
      const auto source = made_problems(kind, level);
      std::set<std::string> test;
      for (const Problem& problem : source->test(100)) EXPECT_TRUE(test.insert(problem.key).second);
      EXPECT_GE(test.size(), 3U) << kind << level;
      for (const Problem& shot : source->shots()) EXPECT_EQ(test.count(shot.key), 0U) << shot.key;
      for (int64_t i = 0; i < 1000; ++i) {
        EXPECT_EQ(test.count(source->training(7, i).key), 0U) << kind << level;
      }
    }
  }
}

TEST(MadeProblems, GoldAnswersAreRightByTheirOwnVerifier) {
  for (const std::string& kind : made_kinds()) {
    const auto source = made_problems(kind, 2);
    const auto verifier = make_verifier(source->verifier());
    for (int64_t i = 0; i < 50; ++i) {
      const Problem problem = source->training(1, i);
      EXPECT_EQ(verifier->judge(Completion{"", " " + problem.gold, problem.gold}).score, 1.0)
          << kind;
    }
  }
}

TEST(MadeProblems, SameNumbersSameProblem) {
  const auto a = made_problems("addition", 2), b = made_problems("addition", 2);
  EXPECT_EQ(a->training(3, 17).question, b->training(3, 17).question);
  EXPECT_NE(a->training(3, 17).question + a->training(3, 18).question,
            a->training(4, 17).question + a->training(4, 18).question);
}

TEST(MadeProblems, OneDigitAdditionAsItIsMeasured) {
  const auto source = made_problems("addition", 1);
  EXPECT_EQ(raw_prompt(source->shots(), {"6+2=", "", "8", ""}, source->answer_end()),
            "2+3=5\n4+4=8\n7+1=8\n9+5=14\n6+2=");
  const auto two = made_problems("largest", 2);
  EXPECT_EQ(raw_prompt(two->shots(), {"max(1, 2, 3) =", "", "3", ""}, two->answer_end()),
            "max(12, 45, 33) = 45\nmax(71, 20, 54) = 71\nmax(1, 2, 3) =");
}

TEST(MadeProblems, WhatDoesNotExistIsRefused) {
  EXPECT_NE(testing::refusal([] { made_problems("singing", 1); }).find("expected addition"),
            std::string::npos);
  EXPECT_NE(testing::refusal([] { made_problems("addition", 0); }).find("from 1 to 9"),
            std::string::npos);
}

class ReadProblems : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const auto path = folder_.path() / name;
    std::ofstream(path) << text;
    return path.string();
  }
  io::TemporaryFolder folder_;
};

TEST_F(ReadProblems, TrainingLeavesOutWhatIsTested) {
  const std::string train = write("train.jsonl",
                                  "{\"question\": \"A b?\", \"answer\": \"x\\n#### 1,200\"}\n"
                                  "{\"question\": \"C?\", \"answer\": \"#### 2\"}\n");
  const std::string test = write("test.jsonl",
                                 "{\"question\": \"a  B?\", \"answer\": \"#### 1200\"}\n"
                                 "{\"question\": \"D?\", \"answer\": \"#### 3\"}\n");
  int64_t n_dropped = 0;
  const auto source = read_problems("gsm8k", train, test, 0, &n_dropped);
  EXPECT_EQ(n_dropped, 1);
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(source->training(0, i).spoken, "C?");
  EXPECT_EQ(source->test(10).size(), 2U);
  EXPECT_EQ(source->test(1)[0].gold, "1200");
}

TEST_F(ReadProblems, MathAsLinesAndAsColumns) {
  const std::string lines =
      write("a.jsonl",
            "{\"problem\": \"P?\", \"solution\": \"so $\\\\boxed{\\\\frac12}$\"}\n"
            "{\"problem\": \"Q?\", \"answer\": \"3\"}\n");
  const std::string columns =
      write("b.json", "{\"problem\": {\"0\": \"R?\"}, \"expected_answer\": {\"0\": \"\\\\pi\"}}");
  int64_t n_dropped = 0;
  const auto source = read_problems("math", lines, columns, 0, &n_dropped);
  std::set<std::string> golds;
  for (int64_t i = 0; i < 2; ++i) golds.insert(source->training(5, i).gold);
  EXPECT_EQ(golds, (std::set<std::string>{"\\frac12", "3"}));
  EXPECT_EQ(source->test(1)[0].gold, "\\pi");
}

}  // namespace
}  // namespace weir::rl
