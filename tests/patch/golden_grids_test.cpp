// Patching grids against TransformerLens 3.9's `patching` and `attribution_patch` (golden topic
// `patch`), in float64.
#include "tests/patch/golden_patch.h"
#include "weir/tensor/rank_correlation.h"

namespace weir {
namespace {

using testing::PatchGolden;

class GoldenPatchGrids : public ::testing::TestWithParam<std::string> {};

TEST(GoldenPatchFolder, HasCases) {
  EXPECT_FALSE(testing::patch_cases("grids_").empty()) << golden_topic("patch");
}

const std::vector<Reading> kReadings = {Reading::kLogitDiff, Reading::kLogProb, Reading::kProb,
                                        Reading::kRank, Reading::kKl};

void expect_grid(const PatchGolden& golden, const std::string& kind, PatchScope scope,
                 const std::string& name) {
  GridOptions options;
  options.kind = kind;
  options.scope = scope;
  options.readings = kReadings;
  for (const bool denoise : {true, false}) {
    options.direction = denoise ? PatchDirection::kDenoise : PatchDirection::kNoise;
    const std::string way = name + (denoise ? ".denoise." : ".noise.");
    if (!golden.has(way + "logit_diff")) continue;
    const PatchGrid grid = patch_grid(golden.lm, golden.pairs, options);
    for (const Reading reading : kReadings) {
      const std::string key = way + reading_name(reading);
      if (!golden.has(key)) continue;
      if (reading == Reading::kRank) {
        EXPECT_TRUE(grid.readings.at(reading).equal(golden.tensors.at(key))) << key;
      } else {
        golden.expect_near(grid.readings.at(reading), key);
      }
    }
    if (golden.has(way + "effect"))
      golden.expect_near(grid.effect(Reading::kLogitDiff), way + "effect");
  }
}

TEST_P(GoldenPatchGrids, EveryEntryIsTheReferences) {
  const PatchGolden golden("grids_", GetParam());
  for (const std::string& kind : patch_kinds(golden.lm.config())) {
    expect_grid(golden, kind, PatchScope::kPosition, kind);
    if (kind.rfind("head_", 0) == 0) expect_grid(golden, kind, PatchScope::kAll, kind + ".all");
  }
  expect_grid(golden, "head_pattern", PatchScope::kEdge, "head_pattern.edge");
}

TEST_P(GoldenPatchGrids, EstimatesByGradientsAreTheReferences) {
  const PatchGolden golden("grids_", GetParam());
  GridOptions options;
  options.readings = {Reading::kLogitDiff, Reading::kLogProb};
  for (const bool denoise : {true, false}) {
    options.direction = denoise ? PatchDirection::kDenoise : PatchDirection::kNoise;
    const auto grids =
        attribution_grids(golden.lm, golden.pairs, patch_kinds(golden.lm.config()), options);
    for (const auto& [kind, grid] : grids) {
      const std::string name = kind == "head_pattern" ? "head_pattern.edge" : kind;
      for (const Reading reading : options.readings) {
        golden.expect_near(
            grid.readings.at(reading),
            name + ".attribution." + (denoise ? "denoise." : "noise.") + reading_name(reading));
      }
    }
  }
}

TEST_P(GoldenPatchGrids, CleanIntoCleanChangesNothing) {
  const PatchGolden golden("grids_", GetParam());
  PatchPairs same = golden.pairs;
  same.corrupt = same.clean;
  for (const std::string& kind : patch_kinds(golden.lm.config())) {
    GridOptions options;
    options.kind = kind;
    const PatchGrid grid = patch_grid(golden.lm, same, options);
    const at::Tensor change =
        grid.readings.at(Reading::kLogitDiff) - grid.base.at(Reading::kLogitDiff);
    EXPECT_LT(change.abs().max().item<double>(), 1e-9) << kind;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPatchGrids,
                         ::testing::ValuesIn(testing::patch_cases("grids_")),
                         [](const auto& model) { return case_name(model.param); });

class GoldenPatchPadded : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenPatchPadded, PadsOnTheLeftAreLeftAlone) {
  PatchGolden golden("padded_", GetParam());
  golden.pairs.clean = {golden.tensors.at("clean"), golden.tensors.at("mask").to(at::kBool)};
  golden.pairs.corrupt = {golden.tensors.at("corrupt"), golden.tensors.at("mask").to(at::kBool)};
  for (const char* kind : {"resid_pre", "mlp_out", "head_z"}) {
    expect_grid(golden, kind, PatchScope::kPosition, kind);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPatchPadded,
                         ::testing::ValuesIn(testing::patch_cases("padded_")),
                         [](const auto& model) { return case_name(model.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenPatchPadded);

TEST(Spearman, TiesShareTheirRank) {
  const at::Tensor a = at::tensor({1.0, 2.0, 2.0, 4.0}), b = at::tensor({1.0, 3.0, 2.0, 5.0});
  EXPECT_NEAR(spearman(a, b), 0.9486832980505138, 1e-12);  // scipy.stats.spearmanr
  EXPECT_NEAR(spearman(a, -a), -1, 1e-12);
  EXPECT_TRUE(std::isnan(spearman(a, at::ones({4}))));
}

}  // namespace
}  // namespace weir
