#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sae/kinds/random_sae.h"
#include "tests/support/max_difference.h"
#include "tests/support/refusal.h"

namespace weir {
namespace {

using ::testing::HasSubstr;
using weir::testing::refusal;

class SaeKinds : public ::testing::TestWithParam<std::string> {};

at::Tensor some_input(const Sae& sae) {
  const SaeConfig& c = sae.config;
  return c.n_sources > 1 ? at::randn({3, 5, c.n_sources, c.d_in}) : at::randn({3, 5, c.d_in});
}

TEST_P(SaeKinds, SparseAndDenseAgree) {
  const Sae sae = random_sae(small_config(GetParam()));
  check_sae(sae);
  const at::Tensor x = some_input(sae);
  const at::Tensor dense = encode(sae, x);
  const SparseLatents sparse = encode_sparse(sae, x);
  EXPECT_EQ(dense.sizes(), at::IntArrayRef({3, 5, 24}));
  EXPECT_EQ(max_difference(to_dense(sparse, 24), dense), 0);
  EXPECT_GT((dense != 0).sum().item<int64_t>(), 0);
  // Sums of at most 24 products of numbers near 1, in two orders.
  EXPECT_LT(max_difference(decode(sae, sparse), decode(sae, dense)), 1e-5);
  EXPECT_LT(max_difference(reconstruct(sae, x), decode(sae, dense, read_sae_input(sae, x))), 1e-5);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = sae.config.d_out;
  EXPECT_EQ(reconstruct(sae, x).sizes(), at::IntArrayRef(shape));
}

TEST_P(SaeKinds, ATokenDoesNotDependOnItsNeighbours) {
  const Sae sae = random_sae(small_config(GetParam()));
  const at::Tensor x = some_input(sae);
  const at::Tensor alone = encode(sae, x.narrow(0, 1, 1).narrow(1, 2, 1));
  const at::Tensor among = encode(sae, x).narrow(0, 1, 1).narrow(1, 2, 1);
  // One row and fifteen take other matrix products.
  EXPECT_LT(max_difference(alone, among), 1e-5);
}

TEST_P(SaeKinds, GradientsReachEveryWeightThatEncodesOrDecodes) {
  Sae sae = random_sae(small_config(GetParam()));
  for (auto& [name, tensor] : sae.weights) tensor.requires_grad_(true);
  reconstruct(sae, some_input(sae)).square().sum().backward();
  for (const auto& [name, tensor] : sae.weights) {
    const bool is_gate = name == "threshold" || name == "b_gate" || name.find("var") != name.npos;
    EXPECT_EQ(tensor.grad().defined(), !is_gate) << name;
  }
}

TEST_P(SaeKinds, HalfTypesAndOtherWidthsAreTaken) {
  const Sae sae = random_sae(small_config(GetParam()));
  const at::Tensor x = some_input(sae);
  EXPECT_EQ(reconstruct(sae, x.to(at::kBFloat16)).scalar_type(), at::kBFloat16);
  EXPECT_THAT(refusal([&] { encode(sae, at::randn({2, 7})); }), HasSubstr("[2, 7]"));
}

TEST_P(SaeKinds, MissingAndWrongWeightsAreNamed) {
  Sae sae = random_sae(small_config(GetParam()));
  sae.weights["W_dec"] = sae.weights["W_dec"].narrow(0, 0, 23);
  EXPECT_THAT(refusal([&] { check_sae(sae); }), HasSubstr("W_dec is [23"));
  sae.weights.erase("W_dec");
  EXPECT_THAT(refusal([&] { check_sae(sae); }), HasSubstr("W_dec"));
  sae = random_sae(small_config(GetParam()));
  sae.weights["bogus"] = at::zeros({1});
  EXPECT_THAT(refusal([&] { check_sae(sae); }), HasSubstr("bogus"));
}

INSTANTIATE_TEST_SUITE_P(All, SaeKinds, ::testing::ValuesIn(sae_kinds()),
                         [](const auto& instance) { return instance.param; });

TEST(SaeInput, PerTokenNormalisationsAreUndone) {
  for (const auto how : {SaeNormalisation::kConstantNorm, SaeNormalisation::kLayerNorm}) {
    SaeConfig config = small_config("standard");
    config.normalisation = how;
    config.scale = 2.5;
    const Sae sae = random_sae(config);
    const at::Tensor x = at::randn({6, 8}) * 3 + 1;
    const SaeInput input = read_sae_input(sae, x);
    const at::Tensor normalised = input.x + sae.weight("b_dec");
    EXPECT_LT(max_difference(restore_sae_output(sae, normalised, input), x), 1e-5);
    EXPECT_NEAR(normalised.square().mean().item<double>(),
                how == SaeNormalisation::kLayerNorm ? 7. / 8 : 1, 1e-4);
  }
}

TEST(SaeInput, HeadsAreFlattenedHeadByHead) {
  SaeConfig config = small_config("standard");
  config.hook_head_shape = "hook_z";
  const Sae sae = random_sae(config);
  const at::Tensor flat = at::randn({5, 8});
  const at::Tensor heads = flat.view({5, 2, 4});
  EXPECT_EQ(max_difference(encode(sae, heads), encode(sae, flat)), 0);
  EXPECT_EQ(max_difference(reconstruct(sae, heads), reconstruct(sae, flat).view({5, 2, 4})), 0);
}

TEST(SaeKindChecks, SettingsThatCannotBe) {
  SaeConfig config = small_config("topk");
  config.k = 25;
  EXPECT_THAT(refusal([&] { check_sae(random_sae(config)); }), HasSubstr("k of a topk"));
  config = small_config("groupmax");
  config.k = 5;
  EXPECT_THAT(refusal([&] { check_sae(random_sae(config)); }), HasSubstr("k = 5"));
  config = small_config("transcoder");
  config.apply_b_dec_to_input = true;
  EXPECT_THAT(refusal([&] { check_sae(random_sae(config)); }), HasSubstr("apply_b_dec_to_input"));
  Sae without = random_sae(small_config("batchtopk"));
  without.weights.erase("threshold");
  check_sae(without);
  EXPECT_THAT(refusal([&] { encode(without, at::randn({2, 8})); }), HasSubstr("threshold"));
  EXPECT_THROW(find_sae_kind("topkk"), Error);
}

TEST(SaeKindChecks, NumbersThatAreNotFiniteAreNamed) {
  Sae sae = random_sae(small_config("standard"));
  check_sae_values(sae);
  for (const double value : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Sae broken = sae;
    broken.weights["b_enc"] = sae.weights["b_enc"].clone();
    broken.weights["b_enc"][3] = value;
    try {
      check_sae_values(broken);
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("b_enc"));
    }
  }
}

}  // namespace
}  // namespace weir
