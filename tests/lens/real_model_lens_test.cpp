#include <gtest/gtest.h>

#include "tests/support/real_models.h"
#include "weir/lens/logit_lens.h"

namespace weir {
namespace {

class RealModel : public ::testing::TestWithParam<std::string> {};

TEST_P(RealModel, LensEntropiesAreTheReferences) {
  const auto path = testing::stored_model(GetParam());
  if (!path) GTEST_SKIP() << "not in the store; get it by: weir models pull " << GetParam();
  const LanguageModel lm = LanguageModel::load(*path);
  const nlohmann::json golden = testing::expected_of(GetParam());
  int n_compared = 0;
  for (const auto& prompt : golden["prompts"]) {
    if (!prompt.contains("lens_entropy_nats")) continue;
    for (const bool final_norm : {true, false}) {
      LensOptions options;
      options.final_norm = final_norm;
      const LensResult lens = logit_lens(lm, prompt["ids"].get<std::vector<int64_t>>(), options);
      const auto expected = prompt["lens_entropy_nats"][final_norm ? "final_norm" : "no_norm"]
                                .get<std::vector<double>>();
      ASSERT_EQ(lens.points.size(), expected.size());
      for (size_t i = 0; i < expected.size(); ++i) {
        // dH/dlogit is at most about H + 1; logits differ by 1e-4 with the norm, and in proportion
        // to their size without it (residual streams there reach thousands).
        EXPECT_NEAR(lens.entropy[static_cast<int64_t>(i)][-1].item<double>(), expected[i], 1e-3)
            << prompt["name"] << " " << lens.points[i] << (final_norm ? "" : " without norm");
        ++n_compared;
      }
    }
  }
  EXPECT_GT(n_compared, 0);
}

WEIR_GOLDEN_REAL_MODELS(RealModel);

}  // namespace
}  // namespace weir
