#include "weir/recall/last_position.h"

#include "tests/lm/tiny_models.h"
#include "tests/support/max_difference.h"
#include "weir/base/error.h"
#include "weir/recall/mlp_parts.h"

namespace weir {
namespace {

using testing::golden_model;
using testing::some_tokens;

LoadOptions in_double() {
  LoadOptions options;
  options.dtype = at::kDouble;
  return options;
}

TokenBatch two_prompts(const LanguageModel& lm) {
  const int64_t v = lm.config().d_vocab;
  return left_pad({some_tokens(7, v), some_tokens(4, v, 1)});
}

// Float64; cached keys and all positions at once differ in the order of sums.
constexpr double kRounding = 1e-10;

class LastPositionOfFamily : public ::testing::TestWithParam<const char*> {};

TEST_P(LastPositionOfFamily, GivesWhatAForwardOverAllPositionsGives) {
  const LanguageModel lm = golden_model(GetParam(), in_double());
  const TokenBatch batch = two_prompts(lm);
  const LastPosition last(lm, batch);
  RunOptions options;
  options.cache = CacheOptions{};
  const RunResult whole = lm.run(batch, options);
  EXPECT_LT(max_difference(last.clean().logits, whole.logits.select(1, -1)), kRounding);
  for (int64_t layer = 0; layer < lm.config().n_layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer) + ".";
    EXPECT_LT(max_difference(last.clean().pattern[layer],
                             whole.cache[block + "attn.hook_pattern"].select(2, -1)),
              kRounding);
    // Re-runs from any layer, also with rows repeated, leave the logits as they are.
    const at::Tensor rows = at::tensor({1, 0, 1}, at::kLong);
    EXPECT_LT(max_difference(last.run({}, layer, rows), last.clean().logits.index_select(0, rows)),
              kRounding);
  }
}

TEST_P(LastPositionOfFamily, ChangesActAsInAWholeRun) {
  const LanguageModel lm = golden_model(GetParam(), in_double());
  const TokenBatch batch = two_prompts(lm);
  const LastPosition last(lm, batch);
  const int64_t layer = lm.config().n_layers - 2;
  Intervention scale;
  scale.where = "blocks." + std::to_string(layer) + ".attn.hook_result";
  scale.positions = {-1};
  scale.heads = {1};
  scale.op = Intervention::Op::kScale;
  scale.value = at::full({}, 3.0);
  RunOptions options;
  options.interventions = {scale};
  const at::Tensor expected = lm.run(batch, options).logits.select(1, -1);
  const at::Tensor found = last.run({{scale.where,
                                      [](const at::Tensor& x, const HookContext&) {
                                        at::Tensor y = x.clone();
                                        y.select(2, 1).mul_(3);
                                        return y;
                                      }}},
                                    layer);
  EXPECT_LT(max_difference(found, expected), kRounding);
  EXPECT_GT(max_difference(found, last.clean().logits), 1e-6);
}

TEST_P(LastPositionOfFamily, PartsOfTheStreamAddUp) {
  const LanguageModel lm = golden_model(GetParam(), in_double());
  const LastPosition last(lm, two_prompts(lm));
  const LastActivations& clean = last.clean();
  EXPECT_LT(max_difference(clean.resid_post, clean.resid_pre + clean.attn_out + clean.mlp_out),
            kRounding);
  // What attention adds less its heads is the bias: the same for all prompts, where no norm of the
  // sum follows (there the bias is scaled with it).
  if (!lm.transformer().weights().blocks[0].ln1_post.present) {
    const at::Tensor bias = clean.attn_out - clean.head_out.sum(2);
    EXPECT_LT(max_difference(bias.select(1, 0), bias.select(1, 1)), kRounding);
  } else {
    EXPECT_LT(max_difference(clean.attn_out, clean.head_out.sum(2)), kRounding);
  }
  const int64_t layer = lm.config().n_layers - 1;
  const MlpParts parts = mlp_parts(last, layer);
  EXPECT_LT(max_difference(parts.c.sum(1), clean.mlp_in[layer]), kRounding);
  const Linearised linear = linearise(lm, parts);
  EXPECT_LT(max_difference(linear.parts.sum(1) + linear.intercept, parts.m), kRounding);
}

INSTANTIATE_TEST_SUITE_P(Families, LastPositionOfFamily,
                         ::testing::Values("gpt2", "opt", "llama_gqa_tied", "gemma2", "gpt_neox",
                                           "gptj", "qwen3", "bloom"),
                         [](const auto& i) { return std::string(i.param); });

TEST(LastPosition, TakesPromptsOfOneToken) {
  const LanguageModel lm = golden_model("gpt2", in_double());
  const LastPosition last(lm, left_pad({{5}, {9}}));
  EXPECT_LT(max_difference(last.run({}), last.clean().logits), kRounding);
}

TEST(LastPosition, RefusesBlocksThatNormTheSum) {
  const LanguageModel lm = golden_model("opt_350m_style");
  EXPECT_THROW(LastPosition(lm, left_pad({{5, 6}})), Error);
}

}  // namespace
}  // namespace weir
