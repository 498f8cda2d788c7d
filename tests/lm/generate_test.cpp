#include "weir/lm/generate.h"

#include <atomic>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "tests/lm/tiny_models.h"
#include "weir/base/error.h"

namespace weir {
namespace {

using testing::golden_model;
using testing::logits_after;
using testing::some_tokens;

GenerateOptions greedy(int64_t max_new) {
  GenerateOptions options;
  options.sampling.greedy = true;
  options.max_new = max_new;
  return options;
}

std::vector<std::vector<int64_t>> tokens_of(const GenerateResult& result) {
  std::vector<std::vector<int64_t>> tokens;
  for (const Generation& row : result.rows) tokens.push_back(row.tokens);
  return tokens;
}

TEST(Generate, SamplesOfOnePromptAreReproducibleAndDiffer) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const auto prompt = some_tokens(6, lm.config().d_vocab);
  GenerateOptions options;
  options.n_samples = 5;
  options.max_new = 8;
  options.sampling.temperature = 3;  // The golden's logits are peaked.
  options.sampling.seed = 11;
  const auto first = tokens_of(generate(lm, {prompt}, options));
  ASSERT_EQ(first.size(), 5u);
  EXPECT_EQ(tokens_of(generate(lm, {prompt}, options)), first);
  EXPECT_GT(std::set<std::vector<int64_t>>(first.begin(), first.end()).size(), 3u);
  options.sampling.seed = 12;
  EXPECT_NE(tokens_of(generate(lm, {prompt}, options)), first);
}

TEST(Generate, ARowsDrawsDoNotDependOnItsBatch) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const auto prompt = some_tokens(6, lm.config().d_vocab);
  GenerateOptions options;
  options.max_new = 8;
  options.sampling.temperature = 3;
  options.n_samples = 2;
  const auto few = tokens_of(generate(lm, {prompt}, options));
  options.n_samples = 6;
  const auto many =
      tokens_of(generate(lm, {prompt, some_tokens(9, lm.config().d_vocab, 4)}, options));
  ASSERT_EQ(many.size(), 12u);
  EXPECT_EQ(many[0], few[0]);
  EXPECT_EQ(many[1], few[1]);
}

TEST(Generate, LogProbsAreTheModelsOwnWhateverTheSampling) {
  const LanguageModel lm = golden_model("qwen2");
  const auto prompt = some_tokens(6, lm.config().d_vocab);
  GenerateOptions options;
  options.max_new = 10;
  options.stop_at_eos = false;
  options.sampling.temperature = 2;
  options.sampling.top_p = 0.8;
  options.sampling.repetition_penalty = 1.3;
  const Generation row = generate(lm, {prompt}, options).rows[0];
  std::vector<int64_t> sequence = prompt;
  sequence.insert(sequence.end(), row.tokens.begin(), row.tokens.end());
  const at::Tensor expected = lm.token_log_probs(left_pad({sequence}))[0].slice(0, 5);
  ASSERT_EQ(expected.size(0), 10);
  for (int64_t i = 0; i < 10; ++i) {
    // Cached and whole forward differ by float rounding: logits of about 10, as in step_by_step.
    EXPECT_NEAR(row.log_probs[i], expected[i].item<double>(), 1e-4) << i;
  }
}

TEST(Generate, StopsAtTheEndTokenAndLeavesItOut) {
  const LanguageModel plain = golden_model("llama_gqa_tied");
  const auto prompt = some_tokens(6, plain.config().d_vocab);
  const Generation whole = generate(plain, {prompt}, greedy(8)).rows[0];
  ASSERT_EQ(whole.tokens.size(), 8u);
  // The same model, told that what it says third ends a text.
  LoadedModel model = load_model(std::string(WEIR_GOLDEN_DIR) + "/models/llama_gqa_tied");
  model.config.eos = whole.tokens[2];
  const LanguageModel lm(std::move(model), std::nullopt);
  const auto before = std::find(whole.tokens.begin(), whole.tokens.end(), whole.tokens[2]);
  const Generation row = generate(lm, {prompt}, greedy(8)).rows[0];
  EXPECT_EQ(row.stopped_by, "eos");
  EXPECT_EQ(row.tokens, std::vector<int64_t>(whole.tokens.begin(), before));
  EXPECT_EQ(row.log_probs.size(), row.tokens.size());
  GenerateOptions options = greedy(8);
  options.stop_at_eos = false;
  EXPECT_EQ(generate(lm, {prompt}, options).rows[0].tokens, whole.tokens);
}

TEST(Generate, RowsThatEndEarlyLeaveTheOthersAlone) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const int64_t n_vocab = lm.config().d_vocab;
  const std::vector<std::vector<int64_t>> prompts = {
      some_tokens(8, n_vocab, 1), some_tokens(5, n_vocab, 2), some_tokens(3, n_vocab, 3)};
  GenerateOptions options = greedy(10);
  options.stop_at_eos = false;
  const auto whole = tokens_of(generate(lm, prompts, options));
  // Row 0, the longest, ends after two tokens, row 1 after five.
  std::vector<int> counts(3, 0);
  options.on_token = [&](int64_t row, int64_t, const std::string&) {
    ++counts[row];
    return !(row == 0 && counts[0] == 2) && !(row == 1 && counts[1] == 5);
  };
  const GenerateResult cut = generate(lm, prompts, options);
  EXPECT_EQ(cut.rows[0].stopped_by, "callback");
  EXPECT_EQ(cut.rows[0].tokens, std::vector<int64_t>(whole[0].begin(), whole[0].begin() + 2));
  EXPECT_EQ(cut.rows[1].tokens, std::vector<int64_t>(whole[1].begin(), whole[1].begin() + 5));
  EXPECT_EQ(cut.rows[2].tokens, whole[2]);
  EXPECT_EQ(counts, (std::vector<int>{2, 5, 10}));
}

TEST(Generate, LearnedPositionsEndARowAtTheLastOne) {
  const LanguageModel lm = golden_model("gpt2");  // 48 positions
  const int64_t n_vocab = lm.config().d_vocab;
  GenerateOptions options = greedy(100);
  options.stop_at_eos = false;
  const GenerateResult result =
      generate(lm, {some_tokens(40, n_vocab), some_tokens(10, n_vocab)}, options);
  EXPECT_EQ(result.rows[0].stopped_by, "length");
  EXPECT_EQ(result.rows[0].tokens.size(), 9u);  // The last needs no position of its own.
  EXPECT_EQ(result.rows[1].tokens.size(), 39u);
  EXPECT_EQ(result.rows[1].tokens,
            generate(lm, {some_tokens(10, n_vocab)}, options).rows[0].tokens);
  EXPECT_THROW(generate(lm, {some_tokens(49, n_vocab)}, options), Error);
}

TEST(Generate, RotaryModelsGoPastTheTrainedContext) {
  const LanguageModel lm = golden_model("llama_gqa_tied");  // trained on 64
  GenerateOptions options = greedy(80);
  options.stop_at_eos = false;
  const Generation row = generate(lm, {some_tokens(10, lm.config().d_vocab)}, options).rows[0];
  EXPECT_EQ(row.tokens.size(), 80u);
}

TEST(Generate, NothingNewIsNothing) {
  const LanguageModel lm = golden_model("gpt2");
  const GenerateResult result = generate(lm, {some_tokens(4, 97)}, greedy(0));
  EXPECT_TRUE(result.rows[0].tokens.empty());
  EXPECT_EQ(result.rows[0].stopped_by, "length");
}

TEST(Generate, RefusesWhatCannotBe) {
  const LanguageModel lm = golden_model("gpt2");
  EXPECT_THROW(generate(lm, {}, greedy(1)), Error);
  EXPECT_THROW(generate(lm, {{}}, greedy(1)), Error);
  EXPECT_THROW(generate(lm, {{97}}, greedy(1)), Error);
  EXPECT_THROW(generate(lm, {{-1}}, greedy(1)), Error);
  GenerateOptions options = greedy(1);
  options.stop_strings = {"x"};  // and no tokenizer
  EXPECT_THROW(generate(lm, {{5}}, options), Error);
  options = greedy(1);
  options.n_samples = 0;
  EXPECT_THROW(generate(lm, {{5}}, options), Error);
}

TEST(Generate, ThreadsShareOneModel) {
  const LanguageModel lm = golden_model("gemma2");
  const auto prompt = some_tokens(6, lm.config().d_vocab);
  const auto expected = tokens_of(generate(lm, {prompt}, greedy(10)));
  const at::Tensor logits = logits_after(lm, prompt);
  std::atomic<int> n_right = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 5; ++repeat) {
        const bool generates = (i + repeat) % 2 == 0;
        const bool right =
            generates ? tokens_of(generate(lm, {prompt}, greedy(10))) == expected
                      : (logits_after(lm, prompt) - logits).abs().max().item<double>() < 1e-5;
        n_right += right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_right, 20);
}

}  // namespace
}  // namespace weir
