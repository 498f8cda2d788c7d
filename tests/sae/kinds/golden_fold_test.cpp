#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "weir/sae/kinds/fold.h"
#include "weir/sae/kinds/sae_kind.h"

namespace weir {
namespace {

// The README's tolerance: float32 sums of some tens of terms near 1.
constexpr double kTolerance = 1e-5;
using Tensors = std::map<std::string, at::Tensor>;

Tensors golden_folds() { return read_all(golden_topic("sae-formats") / "folds.safetensors"); }

// PREFIX.NAME -> NAME.
Tensors below(const Tensors& all, const std::string& prefix) {
  Tensors found;
  for (const auto& [name, tensor] : all) {
    if (name.rfind(prefix, 0) == 0) found[name.substr(prefix.size())] = tensor;
  }
  return found;
}

// The case's kind, settings and weights; SAELens' top-k folds with rescaled latents.
Sae sae_before(const Tensors& folds, const std::string& name) {
  Sae sae;
  sae.weights = below(folds, name + ".before.");
  sae.config.kind = name.substr(0, name.find("_no_"));
  if (name == "whitening") sae.config.kind = "jumprelu";
  sae.config.apply_b_dec_to_input = sae.config.kind == name;
  sae.config.d_in = sae.config.d_out = sae.weight("W_enc").size(0);
  sae.config.d_sae = sae.weight("W_enc").size(1);
  if (name == "topk") {
    sae.config.rescale_acts_by_decoder_norm = true;
    const at::Tensor& acts = folds.at("topk.acts_scaled_input");
    sae.config.k = static_cast<double>((acts != 0).sum(-1).max().item<int64_t>());
  }
  check_sae(sae);
  return sae;
}

void expect_weights(const Sae& sae, const Tensors& expected) {
  for (const auto& [name, tensor] : expected) {
    if (name == "acts" || name == "recon") continue;
    EXPECT_LT(max_difference(sae.weight(name), tensor), kTolerance) << name;
  }
}

class GoldenSaeFormatsFolds : public testing::TestWithParam<std::string> {};

TEST_P(GoldenSaeFormatsFolds, WeightsAndFunctionMatch) {
  const Tensors folds = golden_folds();
  const std::string name = GetParam();
  const at::Tensor x = folds.at("x");
  const double scale = folds.at("scale").item<double>();
  Sae sae = sae_before(folds, name);
  sae.config.scale = scale;
  EXPECT_LT(max_difference(encode(sae, x), folds.at(name + ".acts_scaled_input")), kTolerance);
  EXPECT_LT(max_difference(reconstruct(sae, x), folds.at(name + ".recon_unscaled")), kTolerance);
  fold_activation_scale(&sae);
  for (const std::string stage : {".scale_folded.", ".norm_folded."}) {
    if (stage == ".norm_folded.") fold_decoder_norm(&sae);
    const Tensors expected = below(folds, name + stage);
    ASSERT_FALSE(expected.empty());
    expect_weights(sae, expected);
    EXPECT_LT(max_difference(encode(sae, x), expected.at("acts")), kTolerance) << stage;
    EXPECT_LT(max_difference(reconstruct(sae, x), expected.at("recon")), kTolerance) << stage;
  }
}

std::vector<std::string> fold_cases() {
  std::set<std::string> names;
  const std::string end = ".scale_folded.W_dec";
  std::error_code missing;
  if (!std::filesystem::exists(golden_topic("sae-formats") / "folds.safetensors", missing))
    return {};
  for (const auto& [name, tensor] : golden_folds()) {
    if (name.size() > end.size() && name.substr(name.size() - end.size()) == end) {
      names.insert(name.substr(0, name.size() - end.size()));
    }
  }
  return {names.begin(), names.end()};
}

TEST(GoldenSaeFormatsFoldsFolder, HasCases) { EXPECT_FALSE(fold_cases().empty()); }
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSaeFormatsFolds);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSaeFormatsFolds, testing::ValuesIn(fold_cases()),
                         [](const auto& instance) { return case_name(instance.param); });

TEST(GoldenSaeFormatsWhitening, WeightsAndFunctionMatch) {
  const Tensors folds = golden_folds();
  Sae sae = sae_before(folds, "whitening");
  const at::Tensor x = folds.at("x");
  sae.config.normalisation = SaeNormalisation::kWhitening;
  sae.weights["whitening_mean"] = folds.at("whitening.mean");
  sae.weights["whitening_matrix"] = folds.at("whitening.matrix");
  sae.weights["whitening_inverse"] = folds.at("whitening.inverse");
  EXPECT_LT(max_difference(encode(sae, x), folds.at("whitening.acts")), kTolerance);
  EXPECT_LT(max_difference(reconstruct(sae, x), folds.at("whitening.recon")), kTolerance);
  fold_whitening(&sae);
  expect_weights(sae, below(folds, "whitening.after."));
  EXPECT_LT(max_difference(encode(sae, x), folds.at("whitening.acts")), kTolerance);
  EXPECT_LT(max_difference(reconstruct(sae, x), folds.at("whitening.recon")), kTolerance);
}

}  // namespace
}  // namespace weir
