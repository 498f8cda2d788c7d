#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/saved_tensors.h"
#include "weir/io/json.h"

namespace weir {
namespace {

using nlohmann::json;

const std::string kModel = kGolden + "/models/gpt2";
const std::string kSubnet = kGolden + "/subnet/";
const std::string kTable = kSubnet + "ngram_gpt2.safetensors";
const std::string kMasks = kSubnet + "mask_gpt2.safetensors";

// In float32, 1e-4 as the golden's README says.
TEST_F(Cli, SubnetLossIsTheReferences) {
  const json notes = io::read_json(kSubnet + "mask_gpt2.json");
  const std::string out = path("loss.safetensors");
  const auto run =
      run_weir("subnet loss " + kModel + " --tokens " + kMasks + ":ids --target " + kTable +
               " --mask " + kMasks + " --temperature 7 --lambda 10 --save " + out + " --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const json found = json::parse(run.out), &expected = notes["soft"]["7.0"];
  EXPECT_NEAR(found["loss"].get<double>(), expected["loss"].get<double>(), 1e-4);
  EXPECT_NEAR(found["ce"].get<double>(), expected["ce"].get<double>(), 1e-4);
  EXPECT_EQ(found["below_0_1"], expected["below_0_1"]);
  EXPECT_EQ(found["stop"], expected["stop"]);
  EXPECT_NEAR(tensor(out, "loss").item<double>(), found["loss"].get<double>(), 1e-12);
  for (const auto& name : notes["masked"]) {
    const std::string key = name.get<std::string>();
    const at::Tensor gradient = tensor(kMasks, "soft7.0.grad." + key);
    EXPECT_LT(largest_difference(tensor(out, "grad." + key), gradient),
              1e-4 * gradient.abs().max().item<double>())
        << key;
  }
}

TEST_F(Cli, SubnetEvalIsTheReferences) {
  const json notes = io::read_json(kSubnet + "mask_gpt2.json");
  const auto run = run_weir("subnet eval " + kModel + " --mask " + kMasks + ":keep --corpus " +
                            kTable + ":eval --target " + kTable + " --json --ablate --geometry" +
                            " --save-surprisals " + path("bits.npy") + " --html " + path("e.html"));
  ASSERT_EQ(run.status, 0) << run.error;
  const json found = json::parse(run.out), &expected = notes["surprisal"]["keep"];
  EXPECT_NEAR(found["surprisal_pearson"].get<double>(), expected["pearson_dropinf"].get<double>(),
              1e-4);
  EXPECT_NEAR(found["surprisal_pearson_replace"].get<double>(),
              expected["pearson_replace"].get<double>(), 1e-4);
  EXPECT_EQ(found["active_by_matrix"], notes["counts"]);
  EXPECT_GT(found["kl"].get<double>(), 0);
  EXPECT_EQ(found["active"], found["ablations"]["shuffled"]["active"]);
  EXPECT_LT(largest_difference(tensor_of_npy(path("bits.npy")), tensor(kMasks, "surprisal.keep")),
            1e-4);
  EXPECT_NE(file_text(path("e.html")).find("What is left"), std::string::npos);
}

TEST_F(Cli, SubnetFindResumesAndCompares) {
  const std::string find =
      "subnet find " + kModel + " --corpus " + kTable +
      ":train --lambda 0,100 --steps 6 --growth 1.01 --batch 4 --attempts 1 --held-rows 3 "
      "--target bigram,unigram --json --out " +
      path("found");
  const auto run = run_weir(find + " --ablate");
  ASSERT_EQ(run.status, 0) << run.error;
  const json result = json::parse(run.out)["result"];
  ASSERT_EQ(result["runs"].size(), 4U);
  EXPECT_EQ(result["runs"][0]["steps"], 6);
  EXPECT_EQ(count_lines(file_text(path("found/bigram-lambda-0/metrics.jsonl"))), 6);
  EXPECT_GE(result["runs"][0]["active"].get<int64_t>(), result["runs"][1]["active"].get<int64_t>());
  const auto again = run_weir(find + " --resume");
  ASSERT_EQ(again.status, 0) << again.error;
  const json resumed = json::parse(again.out)["result"];
  EXPECT_EQ(resumed["runs"][0]["surprisal_pearson"], result["runs"][0]["surprisal_pearson"]);
  const std::string mask = path("found/bigram-lambda-0/mask.safetensors");
  const auto compared = run_weir("subnet compare " + kModel + " --a " + mask +
                                 " --b largest:0.5 --json --save " + path("both.safetensors"));
  ASSERT_EQ(compared.status, 0) << compared.error;
  const json overlap = json::parse(compared.out);
  EXPECT_EQ(overlap["total"]["a"], result["runs"][0]["active"]);
  EXPECT_EQ(overlap["set_operations"]["intersection"], overlap["total"]["both"]);
}

TEST_F(Cli, SubnetFindMasksHeads) {
  const auto run = run_weir("subnet find " + kModel + " --corpus " + kTable +
                            ":train --unit head --ablation mean --method hard-concrete --steps 3 "
                            "--batch 2 --target model --json --out " +
                            path("heads"));
  ASSERT_EQ(run.status, 0) << run.error;
  const json result = json::parse(run.out)["result"];
  EXPECT_EQ(result["runs"][0]["active_by_matrix"].size(), 3U);
}

TEST_F(Cli, SubnetCountsAndTime) {
  const std::string table = path("bigrams.safetensors");
  const auto counted = run_weir("subnet count " + kModel + " --corpus " + kTable +
                                ":train --save " + table + " --json");
  ASSERT_EQ(counted.status, 0) << counted.error;
  EXPECT_EQ(json::parse(counted.out)["orders"][1]["entries"],
            io::read_json(kSubnet + "ngram_gpt2.json")["bigram_entries"]);
  EXPECT_TRUE(tensor(table, "bigram.row_ptr").equal(tensor(kTable, "bigram.row_ptr")));
  for (const char* step : {"step-1", "step-20"}) {
    std::filesystem::create_directories(path("run/checkpoints"));
    std::filesystem::copy(kModel, path("run/checkpoints/") + step);
  }
  const auto run =
      run_weir("subnet time " + path("run") + " --corpus " + kTable + ":train --target " + table +
               " --lambda 0,10,100 --steps 3 --batch 4 "
               "--json --out " +
               path("time"));
  ASSERT_EQ(run.status, 0) << run.error;
  const json result = json::parse(run.out)["result"];
  ASSERT_EQ(result["checkpoints"].size(), 2U);
  EXPECT_EQ(result["checkpoints"][1]["step"], 20);
  EXPECT_EQ(result["checkpoints"][0]["runs"], result["checkpoints"][1]["runs"]);
}

TEST_F(Cli, SubnetToldWrongly) {
  expect_usage_error("subnet find " + kModel + " --corpus x --out y --lambda -3", "--lambda");
  expect_usage_error("subnet eval " + kModel + " --mask random:2 --corpus " + kTable + ":eval",
                     "share");
  const auto run = run_weir("subnet eval " + kModel + " --mask full --corpus " + kTable +
                            ":eval --target sixgram");
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.error.find("--target 'sixgram'"), std::string::npos) << run.error;
}

}  // namespace
}  // namespace weir
