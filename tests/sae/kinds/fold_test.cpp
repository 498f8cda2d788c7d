#include "weir/sae/kinds/fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sae/kinds/random_sae.h"
#include "tests/support/max_difference.h"
#include "tests/support/refusal.h"

namespace weir {
namespace {

// Two ways through matrices of 24 numbers near 1 in float32.
constexpr double kTolerance = 2e-5;

class Fold : public ::testing::TestWithParam<std::string> {};

TEST_P(Fold, OfTheScaleKeepsTheFunction) {
  for (const bool rescales : {false, true}) {
    SaeConfig config = small_config(GetParam());
    config.rescale_acts_by_decoder_norm = rescales && find_sae_kind(config.kind).can_rescale();
    config.scale = 0.6;
    const Sae scaled = random_sae(config);
    Sae folded = scaled;
    fold_activation_scale(&folded);
    EXPECT_EQ(folded.config.scale, 1);
    const at::Tensor x = config.n_sources > 1 ? at::randn({40, 3, 8}) : at::randn({40, 8});
    EXPECT_LT(max_difference(reconstruct(folded, x), reconstruct(scaled, x)), kTolerance);
    EXPECT_EQ(max_difference((encode(folded, x) != 0).to(at::kInt),
                             (encode(scaled, x) != 0).to(at::kInt)),
              0);
  }
}

TEST_P(Fold, OfDecoderNormsKeepsTheFunctionOrIsRefused) {
  SaeConfig config = small_config(GetParam());
  const Sae before = random_sae(config);
  Sae folded = before;
  if (find_sae_kind(config.kind).competes()) {
    EXPECT_THAT(weir::testing::refusal([&] { fold_decoder_norm(&folded); }),
                ::testing::HasSubstr(config.kind));
    return;
  }
  fold_decoder_norm(&folded);
  EXPECT_LT(max_difference(decoder_norms(folded), at::ones({24})), 1e-6);
  const at::Tensor x = config.n_sources > 1 ? at::randn({40, 3, 8}) : at::randn({40, 8});
  EXPECT_LT(max_difference(reconstruct(folded, x), reconstruct(before, x)), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(All, Fold, ::testing::ValuesIn(sae_kinds()),
                         [](const auto& instance) { return instance.param; });

TEST(FoldWhitening, KeepsTheFunction) {
  for (const char* kind : {"standard", "gated", "jumprelu", "topk"}) {
    for (const bool subtracts : {false, true}) {
      SaeConfig config = small_config(kind);
      config.apply_b_dec_to_input = subtracts;
      config.normalisation = SaeNormalisation::kWhitening;
      Sae sae = random_sae(config);
      const at::Tensor matrix = at::eye(8) + at::randn({8, 8}) * 0.2;
      sae.weights["whitening_mean"] = at::randn({8});
      sae.weights["whitening_matrix"] = matrix;
      sae.weights["whitening_inverse"] = matrix.inverse();
      check_sae(sae);
      Sae folded = sae;
      fold_whitening(&folded);
      check_sae(folded);
      const at::Tensor x = at::randn({40, 8});
      EXPECT_LT(max_difference(reconstruct(folded, x), reconstruct(sae, x)), kTolerance) << kind;
    }
  }
}

}  // namespace
}  // namespace weir
