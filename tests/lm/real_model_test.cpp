#include <gtest/gtest.h>

#include "tests/support/real_models.h"
#include "weir/lm/generate.h"

namespace weir {
namespace {

class RealModel : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const auto path = testing::stored_model(GetParam());
    if (!path) GTEST_SKIP() << "not in the store; get it by: weir models pull " << GetParam();
    golden_ = testing::expected_of(GetParam());
    lm_.emplace(LanguageModel::load(*path));
  }

  nlohmann::json golden_;
  std::optional<LanguageModel> lm_;
};

TEST_P(RealModel, EncodesThePromptsAsTheReference) {
  for (const auto& prompt : golden_["prompts"]) {
    EXPECT_EQ(lm_->tokenizer().encode(prompt["text"].get<std::string>()).ids,
              prompt["ids"].get<std::vector<int64_t>>())
        << prompt["name"];
  }
}

TEST_P(RealModel, TokenLogProbsAreTheReferences) {
  for (const auto& prompt : golden_["prompts"]) {
    const TokenBatch batch = left_pad({prompt["ids"].get<std::vector<int64_t>>()});
    const at::Tensor log_probs = lm_->token_log_probs(batch)[0];
    const auto expected = prompt["token_logprobs"].get<std::vector<double>>();
    ASSERT_EQ(log_probs.size(0), static_cast<int64_t>(expected.size()));
    for (size_t i = 0; i < expected.size(); ++i) {
      // Float32 and float64 logits of the reference differ by 5e-5; two float32 by twice that.
      EXPECT_NEAR(log_probs[static_cast<int64_t>(i)].item<double>(), expected[i], 2e-4)
          << prompt["name"] << " " << i;
    }
  }
}

// All prompts, of unequal length, in one batch. Where the reference's best two tokens are closer
// than float32 can tell, the row may go another way from there.
TEST_P(RealModel, GreedyIsTheReferences) {
  constexpr double kUndecided = 1e-3;
  std::vector<std::vector<int64_t>> prompts;
  for (const auto& prompt : golden_["prompts"]) {
    prompts.push_back(prompt["ids"].get<std::vector<int64_t>>());
  }
  GenerateOptions options;
  options.sampling.greedy = true;
  options.stop_at_eos = false;
  options.max_new = 20;
  const GenerateResult result = generate(*lm_, prompts, options);
  for (size_t b = 0; b < prompts.size(); ++b) {
    const auto& prompt = golden_["prompts"][b];
    const auto expected = prompt["greedy20"]["ids"].get<std::vector<int64_t>>();
    const auto margins = prompt["greedy20"]["margins"].get<std::vector<double>>();
    ASSERT_EQ(result.rows[b].tokens.size(), expected.size());
    bool same = true;
    for (size_t i = 0; i < expected.size() && same; ++i) {
      same = result.rows[b].tokens[i] == expected[i];
      EXPECT_TRUE(same || margins[i] < kUndecided) << prompt["name"] << " step " << i;
    }
    // Generation's text leaves special tokens out; the reference's keeps them.
    const std::string text = prompt["greedy20"]["text"];
    if (same && text.find("<|") == std::string::npos) {
      EXPECT_EQ(result.rows[b].text, text);
    }
  }
}

WEIR_GOLDEN_REAL_MODELS(RealModel);

}  // namespace
}  // namespace weir
