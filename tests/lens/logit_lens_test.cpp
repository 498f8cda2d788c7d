#include "weir/lens/logit_lens.h"

#include <gtest/gtest.h>

#include "tests/lm/tiny_models.h"
#include "tests/support/max_difference.h"
#include "weir/base/error.h"

namespace weir {
namespace {

using testing::golden_model;
using testing::some_tokens;

// Float32 sums over tiles of the vocabulary in another order; values of up to about 30 nats.
constexpr double kTolerance = 5e-5;

LensOptions all_sites(const LanguageModel& lm) {
  LensOptions options;
  options.sites = {LensSite::kResidPre, LensSite::kResidPost};
  if (!lm.config().parallel_block) options.sites.push_back(LensSite::kResidMid);
  options.top_k = 4;
  return options;
}

// log softmax [N, T, V] of every stream, the plain way.
at::Tensor naive_log_probs(const LanguageModel& lm, const LensResult& lens,
                           const std::vector<Intervention>& interventions = {}) {
  RunOptions options;
  options.cache = CacheOptions{};
  options.interventions = interventions;
  const RunResult run = lm.run(left_pad({lens.tokens}), options);
  std::vector<at::Tensor> rows;
  for (const std::string& point : lens.points) {
    rows.push_back(lm.transformer()
                       .unembed(run.cache[point][0], lens.final_norm)
                       .to(at::kDouble)
                       .log_softmax(-1));
  }
  return at::stack(rows);
}

at::Tensor output_log_probs(const LanguageModel& lm, const std::vector<int64_t>& tokens,
                            const std::vector<Intervention>& interventions = {}) {
  RunOptions options;
  options.interventions = interventions;
  return lm.run(left_pad({tokens}), options).logits[0].to(at::kDouble).log_softmax(-1);
}

void expect_naive(const LanguageModel& lm, const LensResult& lens,
                  const std::vector<Intervention>& interventions = {}) {
  const at::Tensor naive = naive_log_probs(lm, lens, interventions);
  const at::Tensor output = output_log_probs(lm, lens.tokens, interventions);
  const at::Tensor p = naive.exp();
  EXPECT_LT(max_difference(lens.entropy, -(p * naive).nan_to_num(0).sum(-1)), kTolerance);
  // Without the final norm some log-probabilities are in the hundreds; so is the divergence.
  const at::Tensor kl = (output.exp() * (output - naive)).sum(-1);
  EXPECT_LT(((lens.kl_to_final - kl).abs() / (1 + kl)).max().item<double>(), kTolerance);
  const int64_t n = naive.size(0), t = naive.size(1);
  const at::Tensor next =
      at::tensor(std::vector<int64_t>(lens.tokens.begin() + 1, lens.tokens.end()), at::kLong)
          .view({1, t - 1, 1})
          .expand({n, t - 1, 1});
  const at::Tensor next_log_prob = naive.slice(1, 0, t - 1).gather(2, next);
  EXPECT_LT(
      ((lens.next_log_prob - next_log_prob.squeeze(2)).abs() / (1 + next_log_prob.squeeze(2).abs()))
          .max()
          .item<double>(),
      kTolerance);
  const at::Tensor rank = (naive.slice(1, 0, t - 1) > next_log_prob).sum(-1);
  EXPECT_LT((lens.next_rank != rank).to(at::kFloat).mean().item<double>(), 0.01);  // near-ties
  const at::Tensor top = std::get<0>(naive.topk(lens.top_ids.size(2), -1));
  EXPECT_LT(((lens.top_log_probs - top).abs() / (1 + top.abs())).max().item<double>(), kTolerance);
  EXPECT_LT(max_difference(naive.gather(2, lens.top_ids), lens.top_log_probs.to(at::kDouble)) /
                (1 + top.abs().max().item<double>()),
            kTolerance);
}

class Lens : public ::testing::TestWithParam<const char*> {};

TEST_P(Lens, EqualsTheNaiveComputation) {
  const LanguageModel lm = golden_model(GetParam());
  LensOptions options = all_sites(lm);
  const auto tokens = some_tokens(12, lm.config().d_vocab);
  expect_naive(lm, logit_lens(lm, tokens, options));
  options.final_norm = false;
  expect_naive(lm, logit_lens(lm, tokens, options));
}

TEST_P(Lens, LastPointIsTheModelsOwnOutput) {
  const LanguageModel lm = golden_model(GetParam());
  const auto tokens = some_tokens(12, lm.config().d_vocab);
  const LensResult lens = logit_lens(lm, tokens);
  ASSERT_EQ(static_cast<int64_t>(lens.points.size()), lm.config().n_layers + 1);
  EXPECT_EQ(lens.points.front(), "blocks.0.hook_resid_pre");
  EXPECT_LT(lens.kl_to_final[-1].abs().max().item<double>(), 1e-5);
  const at::Tensor output = output_log_probs(lm, tokens);
  EXPECT_LT(max_difference(lens.entropy[-1], -(output.exp() * output).sum(-1)), kTolerance);
  const at::Tensor expected = lm.token_log_probs(left_pad({tokens}))[0];
  EXPECT_LT(max_difference(lens.next_log_prob[-1], expected), kTolerance);
  EXPECT_LT(max_difference(lens.output_log_prob, expected), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Families, Lens,
                         ::testing::Values("gpt2", "llama_gqa_tied", "gemma2", "phi", "gptj",
                                           "opt_350m_style", "bloom", "qwen3"),
                         [](const auto& family) { return std::string(family.param); });

TEST(LogitLens, ReadsInForwardOrderWithoutRepeats) {
  const LanguageModel lm = golden_model("gpt2");
  const LensResult lens = logit_lens(lm, some_tokens(3, 97), all_sites(lm));
  ASSERT_EQ(static_cast<int64_t>(lens.points.size()), 3 * lm.config().n_layers);
  EXPECT_EQ(lens.points[0], "blocks.0.hook_resid_pre");
  EXPECT_EQ(lens.points[1], "blocks.0.hook_resid_mid");
  EXPECT_EQ(lens.points[2], "blocks.0.hook_resid_post");
  // What leaves a block enters the next one.
  EXPECT_EQ(max_difference(lens.entropy[2], lens.entropy[3]), 0);
}

TEST(LogitLens, WithoutFinalNormMeasuresAgainstTheRealOutput) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  LensOptions options;
  options.final_norm = false;
  const auto tokens = some_tokens(6, lm.config().d_vocab);
  const LensResult raw = logit_lens(lm, tokens, options);
  EXPECT_GT(raw.kl_to_final[-1].max().item<double>(), 1e-3);
  EXPECT_LT(max_difference(raw.output_log_prob, logit_lens(lm, tokens).output_log_prob), 1e-6);
}

TEST(LogitLens, HearsInterventions) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  LensOptions options = all_sites(lm);
  Intervention push;
  push.where = "blocks.0.hook_attn_out";
  push.op = Intervention::Op::kScale;
  push.positions = std::vector<int64_t>{-2};
  push.value = at::scalar_tensor(-2);
  options.interventions = {push};
  expect_naive(lm, logit_lens(lm, some_tokens(7, lm.config().d_vocab), options), {push});
  options.interventions[0].where = "unembed.hook_in";
  EXPECT_THROW(logit_lens(lm, some_tokens(7, lm.config().d_vocab), options), Error);
}

TEST(LogitLens, ReadsOneToken) {
  const LanguageModel lm = golden_model("gpt2");
  const LensResult lens = logit_lens(lm, {5});
  EXPECT_EQ(lens.entropy.size(1), 1);
  EXPECT_EQ(lens.next_log_prob.size(1), 0);
  EXPECT_EQ(lens.output_log_prob.size(0), 0);
}

TEST(LogitLens, RefusesWhatIsNotThere) {
  const LanguageModel parallel = golden_model("gptj");
  LensOptions options;
  options.sites = {LensSite::kResidMid};
  EXPECT_THROW(logit_lens(parallel, {5, 6}, options), Error);
  options.sites = {};
  options.embedding = false;
  EXPECT_THROW(logit_lens(parallel, {5, 6}, options), Error);
  options = {};
  options.top_k = 1000;
  EXPECT_THROW(logit_lens(parallel, {5, 6}, options), Error);
  EXPECT_THROW(logit_lens(parallel, {}, {}), Error);
}

}  // namespace
}  // namespace weir
