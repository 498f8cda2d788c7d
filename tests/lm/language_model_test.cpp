#include "weir/lm/language_model.h"

#include <cmath>
#include <limits>

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "tests/lm/tiny_models.h"
#include "tests/support/max_difference.h"
#include "weir/base/error.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

using testing::golden_model;
using testing::small_tokenizer;
using testing::some_tokens;
using testing::talking_model;

at::Tensor expected_tensor(const std::string& model, const std::string& key) {
  return to_tensor(
      read_tensors(std::string(WEIR_GOLDEN_DIR) + "/models/" + model + "/expected.safetensors")
          .at(key));
}

class Goldens : public ::testing::TestWithParam<const char*> {};

TEST_P(Goldens, LossIsTheReferences) {
  const LanguageModel lm = golden_model(GetParam());
  const double expected = expected_tensor(GetParam(), "loss").item<double>();
  // golden/README: logits agree to 1e-4; a mean of log-probabilities cannot be worse.
  EXPECT_NEAR(lm.loss({expected_tensor(GetParam(), "tokens"), {}}), expected, 1e-4);
}

TEST_P(Goldens, TokenLogProbsEqualLogSoftmaxOfLogits) {
  const LanguageModel lm = golden_model(GetParam());
  const auto check = [&](const TokenBatch& batch, const at::Tensor& counts) {
    const at::Tensor logits = lm.run(batch).logits;
    const at::Tensor next = batch.tokens.slice(1, 1).unsqueeze(2);
    const at::Tensor expected = logits.slice(1, 0, -1).log_softmax(-1).gather(2, next).squeeze(2);
    const at::Tensor got = lm.token_log_probs(batch);
    // Tiled sums in another order; values up to about 30.
    EXPECT_LT(max_difference(got, expected * counts), 1e-5 * 4);
  };
  const at::Tensor tokens = expected_tensor(GetParam(), "tokens");
  check({tokens, {}}, at::ones({1}));
  const at::Tensor mask = expected_tensor(GetParam(), "leftpad.attention_mask").to(at::kBool);
  const at::Tensor counts = mask.slice(1, 0, -1).logical_and(mask.slice(1, 1)).to(at::kFloat);
  check({expected_tensor(GetParam(), "leftpad.tokens"), mask}, counts);
}

INSTANTIATE_TEST_SUITE_P(Families, Goldens,
                         ::testing::Values("gpt2", "llama_gqa_tied", "gemma2", "phi",
                                           "opt_350m_style", "llama_bf16", "olmo2"),
                         [](const auto& family) { return std::string(family.param); });

TEST(LanguageModel, CacheSeesWhatInterventionsLeave) {
  const LanguageModel lm = golden_model("gpt2");
  RunOptions options;
  Intervention zero;
  zero.where = "blocks.0.hook_mlp_out";
  zero.value = at::zeros({});
  options.interventions = {zero};
  options.cache = CacheOptions{};
  options.cache->names = {"blocks.0.*"};
  const RunResult result = lm.run(left_pad({some_tokens(5, 97)}), options);
  EXPECT_EQ(result.cache["blocks.0.hook_mlp_out"].abs().max().item<double>(), 0);
  EXPECT_EQ(max_difference(result.cache["blocks.0.hook_resid_mid"],
                           result.cache["blocks.0.hook_resid_post"]),
            0);
  EXPECT_FALSE(result.cache.contains("blocks.1.hook_resid_pre"));
}

TEST(LanguageModel, StopsAfterTheLastLayerThatIsNeeded) {
  const LanguageModel lm = golden_model("llama_mha");
  ASSERT_GE(lm.config().n_layers, 2);
  RunOptions options;
  options.cache = CacheOptions{};
  options.cache->names = {"blocks.0.attn.hook_z"};
  const TokenBatch batch = left_pad({some_tokens(5, lm.config().d_vocab)});
  const RunResult whole = lm.run(batch, options);
  EXPECT_TRUE(whole.logits.defined());
  options.stop_when_cached = true;
  const RunResult stopped = lm.run(batch, options);
  EXPECT_FALSE(stopped.logits.defined());
  EXPECT_EQ(
      max_difference(whole.cache["blocks.0.attn.hook_z"], stopped.cache["blocks.0.attn.hook_z"]),
      0);
  // It stopped before block 1: the residual is what enters it.
  options.cache->names = {"blocks.1.hook_resid_pre"};
  options.stop_when_cached = false;
  EXPECT_EQ(
      max_difference(stopped.residual, lm.run(batch, options).cache["blocks.1.hook_resid_pre"]), 0);
  options.cache->names = {"hook_embed"};
  options.stop_when_cached = true;
  EXPECT_EQ(lm.run(batch, options).cache.size(), 1u);
  options.cache->names = {"ln_final.hook_normalized"};
  EXPECT_TRUE(lm.run(batch, options).cache.contains("ln_final.hook_normalized"));
}

TEST(LanguageModel, GradientsOfActivationsEqualDifferences) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const TokenBatch batch = left_pad({some_tokens(5, lm.config().d_vocab)});
  RunOptions options;
  options.cache = CacheOptions{};
  options.cache->names = {"blocks.1.hook_resid_pre", "hook_embed"};
  options.cache->gradients = true;
  const at::NoGradGuard callers_mode;  // The option turns gradients on whatever the caller's mode.
  RunResult result = lm.run(batch, options);
  std::map<std::string, at::Tensor> gradients;
  {
    const at::AutoGradMode on(true);
    gradients = result.cache.gradients(result.logits[0][-1][7]);
  }
  const at::Tensor gradient = gradients.at("blocks.1.hook_resid_pre");
  ASSERT_TRUE(gradients.at("hook_embed").defined());
  // A step along the gradient changes the logit by its squared length, to second order in the step.
  Intervention step;
  step.where = "blocks.1.hook_resid_pre";
  step.op = Intervention::Op::kAdd;
  const double size = 1e-2 / gradient.norm().item<double>();
  step.value = gradient[0] * size;
  const auto logit_at = [&](double sign) {
    RunOptions with;
    with.interventions = {step};
    with.interventions[0].value = step.value * sign;
    return lm.run(batch, with).logits[0][-1][7].item<double>();
  };
  const double slope = (logit_at(1) - logit_at(-1)) / 2;
  const double predicted = gradient.square().sum().item<double>() * size;
  EXPECT_NEAR(slope / predicted, 1, 1e-2);  // float32 differences of logits of about 10
}

TEST(LanguageModel, RecordsNoGraphByItself) {
  const LanguageModel lm = golden_model("gpt2");
  EXPECT_FALSE(lm.run(left_pad({{5, 6}})).logits.requires_grad());
}

TEST(LanguageModel, GradientsReachAnOverlay) {
  const LanguageModel lm = golden_model("gpt2");
  Weights overlay = lm.transformer().weights();
  at::Tensor trained = overlay.blocks[0].mlp.W_in.dense().clone().requires_grad_(true);
  overlay.blocks[0].mlp.W_in = Matrix(trained);
  RunOptions options;
  options.weights = &overlay;
  lm.run(left_pad({{5, 6, 7}}), options).logits.sum().backward();
  ASSERT_TRUE(trained.grad().defined());
  EXPECT_GT(trained.grad().abs().max().item<double>(), 0);
}

TEST(LanguageModel, TokenLogProbsHearInterventionsEverywhere) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const TokenBatch batch = left_pad({some_tokens(9, lm.config().d_vocab)});
  for (const char* where : {"blocks.1.hook_resid_pre", "unembed.hook_in", "unembed.hook_out"}) {
    RunOptions options;
    Intervention scale;
    scale.where = where;
    scale.op = Intervention::Op::kScale;
    scale.positions = std::vector<int64_t>{-3};
    scale.value = at::scalar_tensor(0.3);
    options.interventions = {scale};
    const at::Tensor expected = lm.run(batch, options)
                                    .logits.slice(1, 0, -1)
                                    .log_softmax(-1)
                                    .gather(2, batch.tokens.slice(1, 1).unsqueeze(2))
                                    .squeeze(2);
    EXPECT_LT(max_difference(lm.token_log_probs(batch, options), expected), 1e-5 * 4) << where;
    EXPECT_GT(max_difference(lm.token_log_probs(batch), expected), 1e-2) << where;
  }
}

TEST(LanguageModel, LossNeedsAPrediction) {
  const LanguageModel lm = golden_model("gpt2");
  EXPECT_THROW(lm.loss(left_pad({{5}})), Error);
  EXPECT_EQ(lm.token_log_probs(left_pad({{5}})).sizes(), at::IntArrayRef({1, 0}));
}

TEST(LanguageModel, FoldingKeepsLogProbabilities) {
  LoadOptions fold;
  fold.fold = true;
  for (const char* name : {"gpt2", "llama_gqa_tied"}) {
    const LanguageModel plain = golden_model(name), folded = golden_model(name, fold);
    EXPECT_EQ(plain.processing(), "none");
    EXPECT_EQ(folded.processing(), "fold");
    EXPECT_TRUE(folded.config().norm_folded);
    EXPECT_FALSE(folded.source().config.norm_folded);
    const TokenBatch batch = left_pad({some_tokens(9, plain.config().d_vocab)});
    // golden/README: processed log-probabilities are within 1e-5 of the plain ones in float64.
    EXPECT_LT(max_difference(plain.token_log_probs(batch), folded.token_log_probs(batch)), 1e-4)
        << name;
  }
}

TEST(LanguageModel, ComputesInTheAskedType) {
  LoadOptions options;
  options.dtype = at::kBFloat16;
  const LanguageModel lm = golden_model("llama_mha", options);
  const TokenBatch batch = left_pad({some_tokens(5, lm.config().d_vocab)});
  EXPECT_EQ(lm.run(batch).logits.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(std::isfinite(lm.loss(batch)));
}

TEST(LanguageModel, HashesItsWeightFileOnlyWhenAsked) {
  EXPECT_TRUE(golden_model("gpt2").source().sha256.empty());
  LoadOptions options;
  options.hash = true;
  EXPECT_EQ(golden_model("gpt2", options).source().sha256.size(), 64u);
  EXPECT_EQ(golden_model("gpt2_sharded", options).source().sha256.size(), 64u);
}

TEST(LanguageModel, WithoutATokenizerTakesIds) {
  const LanguageModel lm = golden_model("gpt2");
  EXPECT_FALSE(lm.has_tokenizer());
  EXPECT_EQ(lm.token_text(17), "#17");
  try {
    lm.encode("text");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
}

TEST(LanguageModel, FindsATokenizerUnderOpenAisNames) {
  const io::TemporaryFolder folder;
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(std::string(WEIR_GOLDEN_DIR) + "/models/gpt2/" + name,
                               folder / name);
  }
  folder.write("encoder.json", R"({"a": 0, "b": 1, "ab": 2})");
  folder.write("vocab.bpe", "#version: 0.2\na b\n");
  const LanguageModel lm = LanguageModel::load(folder.path());
  ASSERT_TRUE(lm.has_tokenizer());
  EXPECT_EQ(lm.encode("ab").tokens.item<int64_t>(), 2);
}

TEST(LanguageModel, EncodesTextsOfUnequalLength) {
  const LanguageModel lm = talking_model(small_tokenizer());
  const TokenBatch batch = lm.encode(std::vector<std::string>{"the cat sat on the mat", "the"});
  ASSERT_TRUE(batch.attention_mask.defined());
  const at::Tensor alone = lm.run(lm.encode("the")).logits[0][-1];
  EXPECT_LT(max_difference(lm.run(batch).logits[1][-1], alone), 1e-4);
  EXPECT_EQ(lm.token_text(lm.encode("the").tokens[0][0].item<int64_t>()), "the");
}

TEST(LanguageModel, RefusesIdsOutsideTheVocabulary) {
  const LanguageModel lm = golden_model("gpt2");
  for (const int64_t bad : {int64_t{-1}, int64_t{97}, std::numeric_limits<int64_t>::max()}) {
    try {
      lm.run(left_pad({{5, bad}}));
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(std::to_string(bad)), std::string::npos);
    }
    EXPECT_THROW(lm.token_log_probs(left_pad({{bad, 5}})), Error);
    EXPECT_THROW(lm.token_log_probs(left_pad({{5, bad}})), Error);
  }
}

}  // namespace
}  // namespace weir
