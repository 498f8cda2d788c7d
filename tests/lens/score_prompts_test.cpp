#include "weir/lens/score_prompts.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/real_models.h"
#include "weir/tasks/relation.h"
#include "weir/tasks/task.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

/// Numbers found independently with PyTorch and transformers on the same GGUF.
class RealModelScores : public ::testing::TestWithParam<std::string> {};

TEST_P(RealModelScores, KnowsWhatAnotherImplementationFoundItToKnow) {
  const auto path = testing::stored_model(GetParam());
  if (!path) GTEST_SKIP() << "not in the store; get it by: weir models pull " << GetParam();
  if (GetParam() != "smollm2-135m") GTEST_SKIP() << "nobody has looked at this model";
  const LanguageModel lm = LanguageModel::load(*path);
  const PromptScores capitals =
      score_prompts(lm, make_task("country_capital_city", {}, lm.tokenizer()));
  EXPECT_NEAR((capitals.rank == 0).to(at::kDouble).mean().item<double>(), 0.635, 0.04);
  EXPECT_NEAR(capitals.log_prob.exp().mean().item<double>(), 0.33, 0.01);
  TaskOptions options;
  options.variant = "one-template";
  const PromptScores ioi = score_prompts(lm, make_task("ioi", options, lm.tokenizer()));
  EXPECT_NEAR(ioi.logit_diff.mean().item<double>(), 5.0, 0.6);
}

WEIR_GOLDEN_REAL_MODELS(RealModelScores);

}  // namespace
}  // namespace weir
