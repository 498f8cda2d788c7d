#include "weir/rl/rollout.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/rl/tiny_model.h"
#include "weir/rl/policy.h"

namespace weir::rl {
namespace {

class RolloutTest : public ::testing::Test {
 protected:
  RolloutTest() : lm_(LanguageModel::load(tiny_model())) {
    for (const char* text : {"Once upon a time", "The dog", "Lily and Tom went to the park and",
                             "One day", "A big red ball"}) {
      prompts_.push_back(lm_.tokenizer().encode(text).ids);
    }
    options_.n = 3;
    options_.max_new = 12;
    options_.sampling.seed = 5;
  }
  std::vector<Rollout> answers(const RolloutOptions& options, RolloutTimes* times = nullptr) const {
    return roll_out(lm_.transformer(), lm_.transformer().weights(), &lm_.tokenizer(),
                    end_tokens_of(lm_.config(), &lm_.tokenizer()), prompts_, options, times);
  }
  LanguageModel lm_;
  std::vector<std::vector<int64_t>> prompts_;
  RolloutOptions options_;
};

void expect_same(const std::vector<Rollout>& a, const std::vector<Rollout>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].prompt, b[i].prompt);
    EXPECT_EQ(a[i].tokens, b[i].tokens) << i;
    EXPECT_EQ(a[i].text, b[i].text);
    EXPECT_EQ(a[i].finish, b[i].finish);
  }
}

// Rows enter and leave at other times, and are the same.
TEST_F(RolloutTest, AnswersDoNotDependOnWhatRunsBesideThem) {
  options_.stop = {".", "a"};  // Many ends, at many lengths.
  const auto together = answers(options_);
  for (const int64_t rows : {3, 4, 6, 9}) {
    RolloutOptions few = options_;
    few.most_rows = rows;
    RolloutTimes times;
    expect_same(answers(few, &times), together);
    EXPECT_GT(times.tokens, 0);
  }
}

TEST_F(RolloutTest, SameSeedSameAnswersOtherSeedOthers) {
  expect_same(answers(options_), answers(options_));
  RolloutOptions other = options_;
  other.sampling.seed = 6;
  EXPECT_NE(answers(options_)[0].tokens, answers(other)[0].tokens);
}

// What was sampled is what the training computes of it: float32 sums of 12 cached steps.
TEST_F(RolloutTest, LogProbabilitiesAreThoseOfTheFullPolicy) {
  for (const double temperature : {1.0, 0.7}) {
    options_.sampling.temperature = temperature;
    options_.most_rows = 6;
    const auto rollouts = answers(options_);
    const RolloutBatch batch = rollout_batch(prompts_, rollouts);
    PolicySpec spec;
    spec.temperature = temperature;
    const PolicyScores scores = policy_scores(lm_.transformer(), lm_.transformer().weights(),
                                              batch.tokens, batch.mask, spec);
    EXPECT_LT((scores.log_prob.to(at::kDouble) - batch.log_prob).abs().max().item<double>(), 1e-4);
    int64_t n = 0;
    for (const Rollout& of : rollouts) n += static_cast<int64_t>(of.tokens.size());
    EXPECT_EQ(batch.mask.sum().item<double>(), static_cast<double>(n));
  }
}

TEST_F(RolloutTest, GreedyAnswersAreThoseOfGenerate) {
  options_.n = 1;
  options_.sampling.greedy = true;
  GenerateOptions generate_options;
  generate_options.max_new = options_.max_new;
  generate_options.sampling.greedy = true;
  const GenerateResult expected = generate(lm_, prompts_, generate_options);
  const auto found = answers(options_);
  for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].text, expected.rows[i].text);
}

TEST_F(RolloutTest, StopStringsEndAnAnswerAndItsTokensStay) {
  options_.stop = {"e"};
  options_.max_new = 40;
  int n_stopped = 0;
  for (const Rollout& of : answers(options_)) {
    EXPECT_EQ(of.text.find('e'), std::string::npos) << of.text;
    if (of.finish != "stop") continue;
    ++n_stopped;
    const std::string all = lm_.tokenizer().decode(of.tokens);
    EXPECT_NE(all.find('e'), std::string::npos) << all;
    EXPECT_EQ(of.tokens.size(), of.log_probs.size());
  }
  EXPECT_GT(n_stopped, 5);
}

}  // namespace
}  // namespace weir::rl
