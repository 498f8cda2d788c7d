#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/saved_tensors.h"
#include "weir/io/json.h"

namespace weir {
namespace {

using nlohmann::json;

TEST_F(Cli, RlVerifyJudgesLines) {
  const std::string lines = write("answers.jsonl",
                                  "{\"answer\": \"\\\\boxed{\\\\frac12}\", \"gold\": "
                                  "\"0.5\"}\n\n{\"answer\": \"2\", \"gold\": \"2\"}\n");
  const auto run = run_weir("rl verify --text-file " + lines + " --kind math --json");
  ASSERT_EQ(run.status, 0) << run.error;
  ASSERT_EQ(count_lines(run.out), 2);
  const json first = json::parse(run.out.substr(0, run.out.find('\n')));
  const json second = json::parse(run.out.substr(run.out.find('\n')));
  EXPECT_EQ(first["correct"], 1);
  EXPECT_EQ(first["read"], "\\frac12");
  EXPECT_EQ(second["correct"], 0);  // No box.
  EXPECT_EQ(second["outcome"], "unparsed_answer");
  expect_usage_error("rl verify --kind opinion", "expected all, choice");
}

const std::string kRl = kGolden + "/rl/";

TEST_F(Cli, RlLossIsVerls) {
  const json notes = io::read_json(kRl + "losses.json");
  const std::string config = write(
      "config.json",
      R"({"loss": {"kind": "clip", "low": 0.2, "high": 0.2, "dual": 10}, "aggregation": {"kind": "token_mean"}})");
  const std::string out = path("out.safetensors");
  const auto run = run_weir("rl loss --config " + config + " --inputs " + kRl +
                            "losses.safetensors:in. --save " + out + " --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const json& expected = notes["verl"]["clip_symmetric_dual10.token-mean"];
  EXPECT_NEAR(json::parse(run.out)["loss"].get<double>(), expected["loss"].get<double>(), 1e-9);
  EXPECT_LT(
      largest_difference(tensor(out, "grad"), tensor(kRl + "losses.safetensors",
                                                     "grad.verl.clip_symmetric_dual10.token-mean")),
      1e-9);
}

// In float32; 2e-5 of the largest, as the golden's README says.
TEST_F(Cli, RlPolicyScoresALayer) {
  const std::string golden = kRl + "internal_llama_gqa_tied.safetensors",
                    out = path("o.safetensors");
  const auto run = run_weir("rl policy " + kGolden + "/models/llama_gqa_tied --tokens " + golden +
                            ":in.ids --layer 1 --norm unit_rms --grad --save " + out + " --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const at::Tensor expected = tensor(golden, "logp.l1.unit_rms.T1.0");
  EXPECT_LT(largest_difference(tensor(out, "log_prob"), expected),
            2e-5 * expected.abs().max().item<double>());
  const json document = json::parse(run.out);
  EXPECT_EQ(document["policy"], "layer 1, unit rms");
  for (const json& name : document["with_gradient"]) {
    EXPECT_EQ(name.get<std::string>().find("layers.1."), std::string::npos) << name;
  }
}

TEST_F(Cli, RlEvalCountsProblemsSolved) {
  const auto run =
      run_weir("rl eval " + kStories + " --task addition --problems 3 --n 4 --k 1,4,9" +
               " --max-new 3 --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const json document = json::parse(run.out);
  EXPECT_EQ(document["problems"], 3);
  EXPECT_EQ(document["pass_at_k"].size(), 2U);  // 9 is more than n.
  EXPECT_EQ(document["average"]["mean"], document["pass_at_k"]["1"]["mean"]);
  expect_usage_error("rl eval " + kStories + " --k 0", "--k: expected numbers above 0");
}

}  // namespace
}  // namespace weir
