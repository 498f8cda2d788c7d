// The same numbers on a GPU. Skipped where LibTorch or the machine has none.
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "tests/lm/tiny_models.h"
#include "tests/support/max_difference.h"
#include "weir/lens/logit_lens.h"
#include "weir/lm/generate.h"

namespace weir {
namespace {

// Tiny models with logits of size 1 to 10, summed in another order (TF32 is off by default).
constexpr double kTolerance = 1e-4;

class Cuda : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "LibTorch sees no CUDA device";
    LoadOptions options;
    options.device = at::Device("cuda:0");
    gpu_.emplace(testing::golden_model(GetParam(), options));
    cpu_.emplace(testing::golden_model(GetParam()));
  }

  std::optional<LanguageModel> gpu_, cpu_;
};

TEST_P(Cuda, GivesTheNumbersOfTheCpu) {
  const std::vector<int64_t> tokens = {3, 14, 15, 9, 26, 5, 35, 8};
  const TokenBatch batch = left_pad({tokens});
  EXPECT_LT(max_difference(gpu_->run(batch).logits.cpu(), cpu_->run(batch).logits), kTolerance);
  EXPECT_NEAR(gpu_->loss(batch), cpu_->loss(batch), kTolerance);
  const LensResult ours = logit_lens(*gpu_, tokens), theirs = logit_lens(*cpu_, tokens);
  EXPECT_LT(max_difference(ours.entropy, theirs.entropy), kTolerance);
  EXPECT_LT(max_difference(ours.kl_to_final, theirs.kl_to_final), kTolerance);
  GenerateOptions options;
  options.max_new = 8;
  options.sampling.greedy = true;
  EXPECT_EQ(generate(*gpu_, {tokens}, options).rows[0].tokens,
            generate(*cpu_, {tokens}, options).rows[0].tokens);
}

INSTANTIATE_TEST_SUITE_P(Families, Cuda, ::testing::Values("gpt2", "llama_gqa_tied"),
                         [](const auto& family) { return std::string(family.param); });

}  // namespace
}  // namespace weir
