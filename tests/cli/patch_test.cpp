#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/saved_tensors.h"
#include "weir/patch/grids.h"
#include "weir/tensor/rank_correlation.h"

namespace weir {
namespace {

using nlohmann::json;

const std::string kModel = kGolden + "/models/llama_gqa_tied";
const std::string kPairs = " --pairs " + kGolden + "/patch/pairs_llama_gqa_tied.safetensors";
const std::string kGrids = kGolden + "/patch/grids_llama_gqa_tied.safetensors";

// Float64, but the reference keeps RMSNorm and rotary tables in float32 (README of the topic).
constexpr double kWithin = 3e-6;

TEST_F(Cli, PatchSavesTheEffectsOfTheReference) {
  const std::string out = path("effect.safetensors");
  for (const char* kind : {"resid_pre", "mlp_out", "head_z", "head_k"}) {
    for (const char* way : {"denoise", "noise"}) {
      const auto run = run_weir("patch " + kModel + kPairs + " --kind " + kind + " --direction " +
                                way + " --dtype float64 --save " + out + " --json");
      ASSERT_EQ(run.status, 0) << run.error;
      const at::Tensor expected = tensor(kGrids, std::string(kind) + "." + way + ".effect");
      const at::Tensor found = tensor(out, "effect");
      ASSERT_EQ(found.sizes(), expected.sizes()) << kind;
      EXPECT_LT(largest_difference(found, expected),
                kWithin * std::max(1.0, expected.abs().max().item<double>()))
          << kind;
      const json result = json::parse(run.out)["result"];
      EXPECT_EQ(result["axes"].size(), static_cast<size_t>(found.dim()));
      EXPECT_EQ(result["effect"].size(), static_cast<size_t>(found.size(0)));
      EXPECT_EQ(io::read_safetensors(out).metadata.at("axes").substr(0, 5), "layer");
    }
  }
}

// Not the reference's figure: entries that no path leads to are 0 but for rounding, and their ranks
// are those of the rounding. The correlation itself is tested in tests/patch.
TEST_F(Cli, PatchPrintsTheRankCorrelationOfBothMethods) {
  const std::string out = path("both.safetensors");
  const auto run = run_weir("patch " + kModel + kPairs + " --kind head_z --method both --save " +
                            out + " --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const json result = json::parse(run.out)["result"];
  EXPECT_NEAR(result["rank_correlation"].get<double>(),
              spearman(tensor(out, "effect"), tensor(out, "effect_exact")), 1e-12);
  EXPECT_FALSE(tensor(out, "effect").equal(tensor(out, "effect_exact")));
}

TEST_F(Cli, PatchFollowsPaths) {
  const auto run =
      run_weir("patch " + kModel + kPairs + " --kind path_final --metric pi --json --html " +
               path("p.html") + " --save " + path("p.safetensors") + " --dtype float64");
  ASSERT_EQ(run.status, 0) << run.error;
  const std::string golden = kGolden + "/patch/path_llama_gqa_tied.safetensors";
  const at::Tensor expected = tensor(golden, "path_final.per_prompt.mlps_react.pi_answer.heads");
  EXPECT_LT(largest_difference(tensor(path("p.safetensors"), "patched"), expected),
            kWithin * std::max(1.0, expected.abs().max().item<double>()));
  EXPECT_NE(file_text(path("p.html")).find("path_final"), std::string::npos);
  const std::vector<std::pair<std::string, std::string>> receivers = {{"path_q", "end"},
                                                                      {"path_q", "all"},
                                                                      {"path_k", "all"},
                                                                      {"path_v", "all"},
                                                                      {"path_mlp", "end"}};
  for (const auto& [kind, scope] : receivers) {
    const auto received = run_weir("patch " + kModel + kPairs + " --kind " + kind + " --scope " +
                                   scope + " --save " + path("r.safetensors") + " --dtype float64");
    ASSERT_EQ(received.status, 0) << received.error;
    const at::Tensor heads =
        tensor(golden, kind + ".per_prompt." + scope + ".mlps_react.logit_diff.heads");
    EXPECT_LT(largest_difference(tensor(path("r.safetensors"), "patched"), heads),
              kWithin * std::max(1.0, heads.abs().max().item<double>()))
        << kind << " " << scope;
  }
  const auto to_heads =
      run_weir("patch " + kModel + kPairs + " --kind path_v --scope end --freeze-mlps --json");
  ASSERT_EQ(to_heads.status, 0) << to_heads.error;
  EXPECT_EQ(json::parse(to_heads.out)["result"]["axes"].dump(),
            R"(["layer","head","to_layer","to_head"])");
}

TEST_F(Cli, PatchRefusesWhatDoesNotGoTogether) {
  const std::string patch = "patch " + kModel + kPairs;
  expect_usage_error(patch + " --kind path_q --method attribution", "--method");
  expect_usage_error(patch + " --metric rank --method both", "no gradient");
  expect_usage_error(patch + " --kind head_z --scope edge", "head_pattern");
  expect_usage_error(patch + " --metric vector", "--vector");
  expect_usage_error("patch " + kModel, "--pairs");
}

}  // namespace
}  // namespace weir
