#include "weir/rl/verify/verifier.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"

namespace weir::rl {
namespace {

using nlohmann::json;

template <typename Call>
void expect_refusal(ErrorCode code, const std::string& part, const Call& call) {
  try {
    call();
    ADD_FAILURE() << "no error: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

double score(const json& settings, const std::string& text, const std::string& gold) {
  return make_verifier(settings)->judge(Completion{"", text, gold}).score.value();
}

TEST(Verifier, ExactTextWithWhatMayBeIgnored) {
  EXPECT_EQ(score({{"kind", "exact"}}, " 45\n", "45"), 1);
  EXPECT_EQ(score({{"kind", "exact"}}, "Yes", "yes"), 0);
  EXPECT_EQ(score({{"kind", "exact"}, {"ignore_case", true}}, "Yes", "yes"), 1);
  EXPECT_EQ(score({{"kind", "exact"}, {"ignore_spaces", true}}, "1, 2", "1,2"), 1);
}

TEST(Verifier, NumbersExactlyOrWithinATolerance) {
  EXPECT_EQ(score({{"kind", "numeric"}}, "so it is 1,250.0 in all", "1250"), 1);
  EXPECT_EQ(score({{"kind", "numeric"}}, "3.14", "3.1416"), 0);
  EXPECT_EQ(score({{"kind", "numeric"}, {"tolerance", 1e-3}}, "3.14", "3.1416"), 1);
  EXPECT_EQ(score({{"kind", "numeric"}, {"first", true}}, "8\n4+4=8\n1+1=2", "8"), 1);
  EXPECT_EQ(score({{"kind", "numeric"}}, "5-3", "3"), 1);
  EXPECT_EQ(score({{"kind", "integer"}}, "7 and then 12.", "12"), 1);
  EXPECT_EQ(make_verifier({{"kind", "numeric"}})->judge(Completion{"", "none", "3"}).outcome,
            Outcome::kUnparsedAnswer);
}

TEST(Verifier, ChoicesByTheirLetter) {
  EXPECT_EQ(score({{"kind", "choice"}}, "A is wrong, B too. The answer is (C).", "C"), 1);
  EXPECT_EQ(score({{"kind", "choice"}}, "C", "C"), 1);
  EXPECT_EQ(score({{"kind", "choice"}}, "A or C", "C"), 0);
}

TEST(Verifier, ExpressionsOfTheUser) {
  EXPECT_EQ(score({{"kind", "regex"}, {"pattern", "<a>(.*?)</a>"}}, "<a>1</a> <a>x</a>", "x"), 1);
  EXPECT_EQ(score({{"kind", "regex"}, {"pattern", "^{gold}$"}}, "1+1", "1+1"), 1);
  expect_refusal(ErrorCode::kInvalidArgument, "no regular expression", [] {
    make_verifier({{"kind", "regex"}, {"pattern", "("}});
  });
}

TEST(Verifier, PartsAddUpByTheirWeights) {
  const json both = {{"kind", "all"},
                     {"parts",
                      {{{"kind", "numeric"}, {"weight", 0.8}},
                       {{"kind", "regex"}, {"pattern", "boxed"}, {"weight", 0.2}}}}};
  EXPECT_DOUBLE_EQ(score(both, "\\boxed{4}", "4"), 0.8);
  EXPECT_DOUBLE_EQ(score(both, "boxed", "boxed"), 0.2);
}

TEST(Verifier, WhatDoesNotExistIsRefused) {
  expect_refusal(ErrorCode::kInvalidArgument, "expected a kind of", [] {
    make_verifier({{"kind", "opinion"}});
  });
  expect_refusal(ErrorCode::kInvalidArgument, "no setting 'tolerence'", [] {
    make_verifier({{"kind", "numeric"}, {"tolerence", 1}});
  });
}

json program(const std::string& script, double seconds = 5) {
  return {{"kind", "program"}, {"command", {"sh", "-c", script}}, {"seconds", seconds}};
}

TEST(ProgramVerifier, SpeaksLinesOfJson) {
  // More than a pipe holds, both ways.
  const auto judge = make_verifier(
      program(R"(while read -r line; do case "$line" in *right*) echo '{"score": 0.5}';;)"
              R"( *unknown*) echo '{"score": null}';; *) echo '{"score": 0}';; esac; done)"));
  std::vector<Completion> many(2000, {"", "wrong " + std::string(200, 'x'), ""});
  many[7].text = "right";
  many[8].text = "unknown";
  for (int round = 0; round < 2; ++round) {
    const auto said = judge->judge(many);
    ASSERT_EQ(said.size(), many.size());
    EXPECT_EQ(said[7].score, 0.5);
    EXPECT_EQ(said[8].score, std::nullopt);
    EXPECT_EQ(said[1999].score, 0.0);
  }
}

TEST(ProgramVerifier, TroubleIsTold) {
  const std::vector<Completion> one = {{"", "", ""}};
  expect_refusal(ErrorCode::kUnavailable, "ended or took longer",
                 [&] { make_verifier(program("sleep 60", 0.2))->judge(one); });
  expect_refusal(ErrorCode::kUnavailable, "ended or took longer",
                 [&] { make_verifier(program("exit 1"))->judge(one); });
  expect_refusal(ErrorCode::kCorruptData, "",
                 [&] { make_verifier(program("echo nonsense; cat"))->judge(one); });
  expect_refusal(ErrorCode::kNotFound, "cannot be started", [&] {
    make_verifier({{"kind", "program"}, {"command", {"no-such-program-here"}}})->judge(one);
  });
}

}  // namespace
}  // namespace weir::rl
