// Path patching against a transcription with TransformerLens's hooks (golden topic `patch`).
#include "tests/patch/golden_patch.h"
#include "weir/patch/path_patching.h"

namespace weir {
namespace {

using testing::PatchGolden;

class GoldenPatchPath : public ::testing::TestWithParam<std::string> {};

void expect_paths(const PatchGolden& golden, const std::string& tag, const PatchPairs& pairs,
                  PathOptions options) {
  for (const bool frozen : {false, true}) {
    const std::string key = tag + (frozen ? ".mlps_frozen." : ".mlps_react.");
    if (!golden.has(key + "pi_answer.heads")) continue;
    options.freeze_mlps = frozen;
    const PathGrid grid = path_grid(golden.lm, pairs, options);
    for (const auto& [reading, name] :
         {std::pair{Reading::kPi, std::string("pi_answer")},
          std::pair{Reading::kLogitDiff, std::string("logit_diff")}}) {
      golden.expect_near(grid.heads.at(reading), key + name + ".heads");
      golden.expect_near(grid.mlps.at(reading), key + name + ".mlps");
    }
    if (!golden.has(key + "percent.heads")) continue;
    // Percent of a pi near 0: relative to the largest entry, which expect_near does.
    golden.expect_near(grid.percent(Reading::kPi, false), key + "percent.heads");
    golden.expect_near(grid.percent(Reading::kPi, true), key + "percent.mlps");
  }
}

const std::vector<std::string> kValues = {"mean_at_role", "mean_raw_position", "per_prompt", "zero",
                                          "resample"};

TEST_P(GoldenPatchPath, ToTheLastStream) {
  const PatchGolden golden("path_", GetParam());
  PathOptions options;
  options.resample = golden.prompts.at("resample");
  for (const std::string& value : kValues) {
    options.value = sender_value_of(value);
    expect_paths(golden, "path_final." + value, golden.pairs, options);
  }
}

TEST_P(GoldenPatchPath, WithPromptsOfUnequalLength) {
  const PatchGolden golden("path_", GetParam());
  if (!golden.has("ragged.clean")) GTEST_SKIP() << "no such prompts here";
  PatchPairs pairs = golden.pairs;
  pairs.clean.tokens = golden.tensors.at("ragged.clean");
  pairs.corrupt.tokens = golden.tensors.at("ragged.corrupt");
  PathOptions options;
  options.end = golden.tensors.at("ragged.lengths") - 1;
  for (const std::string& value : kValues) {
    options.value = sender_value_of(value);
    expect_paths(golden, "ragged.path_final." + value, pairs, options);
  }
}

TEST_P(GoldenPatchPath, ToHeadsAndMlps) {
  const PatchGolden golden("path_", GetParam());
  for (const auto& [receiver, name] :
       {std::pair{PathReceiver::kQuery, "path_q."}, std::pair{PathReceiver::kKey, "path_k."},
        std::pair{PathReceiver::kValue, "path_v."}, std::pair{PathReceiver::kMlp, "path_mlp."}}) {
    for (const std::string& value : {std::string("per_prompt"), std::string("mean_at_role")}) {
      for (const bool everywhere : {false, true}) {
        PathOptions options;
        options.receiver = receiver;
        options.value = sender_value_of(value);
        options.everywhere = everywhere;
        const bool is_mlp = receiver == PathReceiver::kMlp;
        if (is_mlp && (everywhere || golden.lm.config().parallel_block)) continue;
        expect_paths(golden, name + value + (everywhere ? ".all" : ".end"), golden.pairs, options);
      }
    }
  }
}

// A set of one receiver is that receiver; a set of all heads of two layers is what each layer
// hears.
TEST_P(GoldenPatchPath, ASetOfReceiversHearsTogether) {
  const testing::PatchGolden golden("path_", GetParam());
  PathOptions options;
  options.receiver = PathReceiver::kQuery;
  options.value = SenderValue::kPerPrompt;
  options.readings = {Reading::kLogitDiff};
  const int64_t last = golden.lm.config().n_layers - 1;
  const at::Tensor each =
      path_grid(golden.lm, golden.pairs, options).heads.at(Reading::kLogitDiff);  // [L, H, L, H, B]
  options.together = {{last, 1}};
  const at::Tensor one = path_grid(golden.lm, golden.pairs, options).heads.at(Reading::kLogitDiff);
  EXPECT_LT((one - each.select(2, last).select(2, 1)).abs().max().item<double>(), 1e-9);
  options.together = {{1, 0}, {1, 1}};
  const at::Tensor both = path_grid(golden.lm, golden.pairs, options).heads.at(Reading::kLogitDiff);
  EXPECT_GT((both - each.select(2, 1).select(2, 0))[0].abs().max().item<double>(), 1e-9);
  EXPECT_LT((both[1] - each[1].select(1, 1).select(1, 0)).abs().max().item<double>(), 1e-9)
      << "senders of the receivers' layer do not reach them";
}

TEST_P(GoldenPatchPath, CleanIntoCleanChangesNothing) {
  const PatchGolden golden("path_", GetParam());
  PatchPairs same = golden.pairs;
  same.corrupt = same.clean;
  for (const PathReceiver receiver : {PathReceiver::kFinal, PathReceiver::kQuery}) {
    PathOptions options;
    options.receiver = receiver;
    options.value = SenderValue::kPerPrompt;
    const PathGrid grid = path_grid(golden.lm, same, options);
    const at::Tensor& clean = grid.clean.at(Reading::kPi);
    EXPECT_LT((grid.heads.at(Reading::kPi) - clean).abs().max().item<double>(), 1e-9);
    EXPECT_LT((grid.mlps.at(Reading::kPi) - clean).abs().max().item<double>(), 1e-9);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPatchPath,
                         ::testing::ValuesIn(testing::patch_cases("path_")),
                         [](const auto& model) { return case_name(model.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenPatchPath);

}  // namespace
}  // namespace weir
