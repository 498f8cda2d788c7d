#include <gtest/gtest.h>

#include "tests/lm/tiny_models.h"
#include "weir/lm/cached_run.h"
#include "weir/lm/generate.h"

namespace weir {
namespace {

using testing::golden_model;
using testing::logits_after;
using testing::some_tokens;

// One key at a time sums in another order than a whole matrix product; weights of the goldens are
// large, and their logits about 10. golden.json measures up to 3e-5 between float32 and float64.
constexpr double kTolerance = 1e-4;

class StepByStep : public ::testing::TestWithParam<const char*> {};

TEST_P(StepByStep, LogitsEqualAllAtOnce) {
  const LanguageModel lm = golden_model(GetParam());
  const std::vector<int64_t> tokens = some_tokens(30, lm.config().d_vocab);
  const std::vector<int64_t> prompt(tokens.begin(), tokens.begin() + 7);
  CachedRun run(lm.transformer(), lm.transformer().weights(), at::kCPU, {}, left_pad({prompt}));
  at::Tensor stepped = run.prefill();
  std::vector<int64_t> sequence = prompt;
  for (size_t i = prompt.size();; ++i) {
    const at::Tensor whole = logits_after(lm, sequence);
    EXPECT_LT((stepped[0] - whole).abs().max().item<double>(), kTolerance) << "after " << i;
    if (i == tokens.size()) break;
    sequence.push_back(tokens[i]);
    stepped = run.step({tokens[i]}, {true});
  }
}

TEST_P(StepByStep, GreedyEqualsGreedyByFullRecomputation) {
  const LanguageModel lm = golden_model(GetParam());
  const std::vector<int64_t> prompt = some_tokens(9, lm.config().d_vocab, 3);
  GenerateOptions options;
  options.sampling.greedy = true;
  options.stop_at_eos = false;
  options.max_new = 16;
  const Generation generated = generate(lm, {prompt}, options).rows[0];
  std::vector<int64_t> sequence = prompt;
  for (size_t i = 0; i < 16; ++i) {
    const at::Tensor log_probs = logits_after(lm, sequence).log_softmax(0);
    ASSERT_EQ(generated.tokens.at(i), log_probs.argmax().item<int64_t>()) << "step " << i;
    EXPECT_NEAR(generated.log_probs.at(i), log_probs[generated.tokens[i]].item<double>(),
                kTolerance);
    sequence.push_back(generated.tokens[i]);
  }
  EXPECT_EQ(generated.stopped_by, "length");
  EXPECT_EQ(generated.prompt_tokens, prompt);
}

TEST_P(StepByStep, UnequalPromptsEqualOneByOne) {
  const LanguageModel lm = golden_model(GetParam());
  const int64_t n_vocab = lm.config().d_vocab;
  const std::vector<std::vector<int64_t>> prompts = {
      some_tokens(11, n_vocab, 1), some_tokens(4, n_vocab, 2), some_tokens(7, n_vocab, 5)};
  GenerateOptions options;
  options.sampling.greedy = true;
  options.max_new = 12;
  const GenerateResult together = generate(lm, prompts, options);
  ASSERT_EQ(together.rows.size(), 3u);
  for (size_t b = 0; b < prompts.size(); ++b) {
    const Generation alone = generate(lm, {prompts[b]}, options).rows[0];
    EXPECT_EQ(together.rows[b].tokens, alone.tokens) << b;
    EXPECT_EQ(together.rows[b].stopped_by, alone.stopped_by) << b;
    ASSERT_EQ(together.rows[b].log_probs.size(), alone.log_probs.size());
    for (size_t i = 0; i < alone.log_probs.size(); ++i) {
      EXPECT_NEAR(together.rows[b].log_probs[i], alone.log_probs[i], kTolerance) << b << " " << i;
    }
  }
}

// Sliding windows (mistral, gemma 2 and 3, gpt_neo), rotary scaling past the original 16 positions
// (dynamic, yarn, longrope), ALiBi, learned positions, layers without rotary, post-norm.
INSTANTIATE_TEST_SUITE_P(Families, StepByStep,
                         ::testing::Values("llama_gqa_tied", "mistral_sliding", "gemma2",
                                           "gemma3_text", "llama_rope_dynamic", "llama_rope_yarn",
                                           "phi3_longrope", "bloom", "opt", "opt_350m_style",
                                           "gpt2", "gpt_neo", "gpt_neox", "smollm3"),
                         [](const auto& family) { return std::string(family.param); });

TEST(CachedRun, LongPromptsRunInPiecesWithTheSameResult) {
  const LanguageModel lm = golden_model("mistral_sliding");
  const std::vector<int64_t> tokens = some_tokens(1100, lm.config().d_vocab);
  CachedRun run(lm.transformer(), lm.transformer().weights(), at::kCPU, {},
                left_pad({tokens, some_tokens(700, lm.config().d_vocab)}));
  const at::Tensor logits = run.prefill();
  EXPECT_LT((logits[0] - logits_after(lm, tokens)).abs().max().item<double>(), kTolerance);
  EXPECT_LT((logits[1] - logits_after(lm, some_tokens(700, lm.config().d_vocab)))
                .abs()
                .max()
                .item<double>(),
            kTolerance);
}

TEST(CachedRun, SelectedRowsGoOnAsBefore) {
  const LanguageModel lm = golden_model("gpt2");
  const int64_t n_vocab = lm.config().d_vocab;
  const auto a = some_tokens(6, n_vocab, 1), b = some_tokens(3, n_vocab, 2);
  CachedRun run(lm.transformer(), lm.transformer().weights(), at::kCPU, {}, left_pad({a, b}));
  run.prefill();
  run.select({1, 0, 1});
  const at::Tensor logits = run.step({5, 6, 7}, {true, true, true});
  const auto with = [](std::vector<int64_t> tokens, int64_t next) {
    tokens.push_back(next);
    return tokens;
  };
  EXPECT_LT((logits[0] - logits_after(lm, with(b, 5))).abs().max().item<double>(), kTolerance);
  EXPECT_LT((logits[1] - logits_after(lm, with(a, 6))).abs().max().item<double>(), kTolerance);
  EXPECT_LT((logits[2] - logits_after(lm, with(b, 7))).abs().max().item<double>(), kTolerance);
}

TEST(CachedRun, NothingSeesAnAppendedPad) {
  const LanguageModel lm = golden_model("gpt2");
  const auto a = some_tokens(5, lm.config().d_vocab, 1), b = some_tokens(5, lm.config().d_vocab, 2);
  CachedRun run(lm.transformer(), lm.transformer().weights(), at::kCPU, {}, left_pad({a, b}));
  run.prefill();
  run.step({4, 0}, {true, false});
  const at::Tensor logits = run.step({5, 6}, {true, true});
  auto whole = b;
  whole.push_back(6);
  EXPECT_LT((logits[1] - logits_after(lm, whole)).abs().max().item<double>(), kTolerance);
}

}  // namespace
}  // namespace weir
