// Verifiers against what verl 0.9.1 says of the same answers (string rules: exactly) and against a
// careful reader's judgement (the general ones: no false verdict). The topic's README says how the
// table was made.
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/golden.h"
#include "weir/io/json.h"
#include "weir/rl/verify/boxed.h"
#include "weir/rl/verify/number_answer.h"
#include "weir/rl/verify/verifier.h"

namespace weir::rl {
namespace {

using nlohmann::json;

std::vector<json> cases(const std::string& kind) {
  std::vector<json> all;
  std::ifstream file(golden_topic("verify") / "cases.jsonl");
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    json of = io::parse_json(line, "cases.jsonl");
    if (of["kind"] == kind) all.push_back(std::move(of));
  }
  return all;
}

bool is_right(const std::string& kind, const json& of) {
  const auto verifier = make_verifier({{"kind", kind}});
  return verifier->judge(Completion{"", of["text"], of["gold"]}).score.value() > 0;
}

json or_null(const std::optional<std::string>& text) { return text ? json(*text) : json(); }

TEST(GoldenVerify, HasCasesOfBothKinds) {
  EXPECT_FALSE(cases("math").empty()) << golden_topic("verify");
  EXPECT_FALSE(cases("gsm8k").empty());
}

TEST(GoldenVerify, NoFalseVerdictOfMathematics) {
  for (const json& of : cases("math")) {
    EXPECT_EQ(is_right("math", of), of["judgement"] == 1) << of;
  }
}

TEST(GoldenVerify, NoFalseVerdictOfWordProblems) {
  for (const json& of : cases("gsm8k")) {
    EXPECT_EQ(is_right("gsm8k", of), of["judgement"] == 1) << of;
  }
}

TEST(GoldenVerify, HendrycksRuleReadsAndJudgesAsVerl) {
  for (const json& of : cases("math")) {
    EXPECT_EQ(is_right("hendrycks", of), of["hendrycks"] == 1) << of;
    const auto boxed = hendrycks::last_boxed(of["text"]);
    EXPECT_EQ(or_null(boxed), of["boxed"]) << of;
    if (of["boxed"].is_null()) continue;  // Then the names of exceptions stand there.
    EXPECT_EQ(or_null(hendrycks::normalised(*boxed)), of["normalised"][0]) << of;
    EXPECT_EQ(or_null(hendrycks::normalised(of["gold"])), of["normalised"][1]) << of;
  }
}

TEST(GoldenVerify, Gsm8kRulesReadAndJudgeAsVerl) {
  for (const json& of : cases("gsm8k")) {
    EXPECT_EQ(is_right("gsm8k_strict", of), of["gsm8k_strict"] == 1) << of;
    EXPECT_EQ(is_right("gsm8k_flexible", of), of["gsm8k_flexible"] == 1) << of;
    EXPECT_EQ(or_null(gsm8k_strict(of["text"])), of["gsm8k_strict_reads"]) << of;
    EXPECT_EQ(or_null(gsm8k_flexible(of["text"])), of["gsm8k_flexible_reads"]) << of;
  }
}

// Whatever is right is right for itself, unless it holds nothing to be read.
TEST(GoldenVerify, EveryGoldAnswerIsItsOwn) {
  for (const json& of : cases("math")) {
    const json itself = {{"text", "\\boxed{" + of["gold"].get<std::string>() + "}"},
                         {"gold", of["gold"]}};
    EXPECT_TRUE(is_right("math", itself)) << of["gold"];
  }
}

}  // namespace
}  // namespace weir::rl
