#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/saved_tensors.h"
#include "weir/lm/language_model.h"

namespace weir {
namespace {

using nlohmann::json;

const std::string kModel = kGolden + "/models/gpt2";
const std::string kComposition = kGolden + "/channels/composition_gpt2_fold.safetensors";

TEST_F(Cli, ChannelsSaveTheReferencesScores) {
  const std::string out = path("scores.safetensors");
  const auto run =
      run_weir("channels " + kModel + " --type all --dtype float64 --links 5 --json --save " + out +
               " --html " + path("c.html"));
  ASSERT_EQ(run.status, 0) << run.error;
  const json result = json::parse(run.out)["result"];
  for (const std::string type : {"Q", "K", "V"}) {
    EXPECT_LT(largest_difference(tensor(out, type + ".score"), tensor(kComposition, type + ".cs")),
              1e-6);
    EXPECT_LT(largest_difference(tensor(out, type + ".component_score"),
                                 tensor(kComposition, type + ".writer")),
              1e-6);
    EXPECT_LT(largest_difference(tensor(out, type + ".component_z"),
                                 tensor(kComposition, type + ".z_emp_writer")),
              1e-4);
    EXPECT_EQ(result[type]["links"].size(), 5U);
  }
  EXPECT_NE(file_text(path("c.html")).find("Strongest links"), std::string::npos);
  const auto raw = run_weir("channels " + kModel + " --no-fold --save " + out + " --quiet");
  ASSERT_EQ(raw.status, 0) << raw.error;
  EXPECT_GT(largest_difference(tensor(out, "score"), tensor(kComposition, "Q.cs")), 1e-3);
}

TEST_F(Cli, ChannelsShowOneComponent) {
  const auto run = run_weir("channels " + kModel + " --writer 0.1 --component 2 --json");
  ASSERT_EQ(run.status, 0) << run.error;
  EXPECT_EQ(json::parse(run.out)["result"]["tokens"]["writes"].size(), 8U);
  const std::string out = path("components.safetensors");
  const auto all =
      run_weir("channels components " + kModel + " --head 1.2 --of qk --save " + out + " --json");
  ASSERT_EQ(all.status, 0) << all.error;
  EXPECT_LT(
      largest_difference(tensor(out, "singular_values"), tensor(kComposition, "sigma_qk")[1][2]),
      1e-5);
  EXPECT_LT(largest_difference(tensor(out, "left"), tensor(kComposition, "a")[1][2]), 1e-4);
}

TEST_F(Cli, ChannelsEditSavesAModel) {
  const std::string edits = kGolden + "/channels/edits_gpt2_fold";
  const auto run =
      run_weir("channels edit " + kModel + " --head 0.1 --components 0 --scale 0 --save " +
               path("edited") + " --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const LanguageModel edited = LanguageModel::load(path("edited"));
  const at::Tensor logits = edited.run({tensor(edits + ".safetensors", "tokens"), {}}).logits;
  EXPECT_LT(largest_difference(logits, tensor(edits + ".safetensors", "logits.ov.remove.nobias")),
            1e-4);
  EXPECT_NE(
      run_weir("channels edit " + kModel + " --head 0.1 --components 0 --save " + path("edited"))
          .status,
      0)
      << "a folder that holds files";
}

TEST_F(Cli, ChannelsSteerATask) {
  const std::string model = kGolden + "/models/llama_gqa_tied";
  const std::string prompts = " --pairs " + kGolden + "/patch/pairs_llama_gqa_tied.safetensors";
  const auto run = run_weir("channels steer " + model + prompts +
                            " --directions 0.0.0,0.1.2 --mover 1.0 --sweep box:0.8:12 --controls 2 "
                            "--json --save " +
                            path("move.json") + " --html " + path("move.html"));
  ASSERT_EQ(run.status, 0) << run.error;
  const json result = json::parse(run.out)["result"];
  EXPECT_EQ(result["directions"], (std::vector<std::string>{"0.0.0", "0.1.2"}));
  EXPECT_EQ(result["moves"], 12);
  EXPECT_EQ(result["controls"].size(), 2U);
  EXPECT_EQ(result["alpha"].size(), 2U);
  const json saved = json::parse(file_text(path("move.json")));
  EXPECT_EQ(saved[0]["where"], "blocks.1.hook_resid_pre");
  // The directions beside it are those that it was given: another run takes the file.
  const auto again =
      run_weir("channels steer " + model + prompts + " --directions " + path("move.safetensors") +
               " --mover 1.0 --sweep box:0.8:12 --controls 2 --json");
  ASSERT_EQ(again.status, 0) << again.error;
  EXPECT_EQ(json::parse(again.out)["result"]["steered"], result["steered"]);
  const auto use =
      run_weir("run " + model + " --tokens " + kGolden +
               "/patch/pairs_llama_gqa_tied.safetensors:clean --intervene " + path("move.json") +
               " --save " + path("moved.safetensors") + " --quiet");
  EXPECT_EQ(use.status, 0) << use.error;
  for (const std::string sweep : {"box:1", "ball:1:4", "grid:x:3", "scale:2:1:5", "box:1:1"})
    expect_usage_error("channels steer " + model + prompts + " --sweep " + sweep, "--sweep");
}

TEST_F(Cli, ChannelsSearchSteersAndItsFileIsUsed) {
  const std::string model = kGolden + "/models/llama_gqa_tied";
  const std::string pairs = kGolden + "/patch/pairs_llama_gqa_tied.safetensors";
  const auto run = run_weir("channels search " + model + " --pairs " + pairs +
                            " --steer --first-layer 0 --components 6 --steps 6 --json --save " +
                            path("steer.json"));
  ASSERT_EQ(run.status, 0) << run.error;
  const json result = json::parse(run.out)["result"];
  const json saved = json::parse(file_text(path("steer.json")));
  ASSERT_EQ(saved.size(), result["components"].size());
  for (const json& edit : saved) {
    const std::string where = edit["where"];
    EXPECT_NE(where.find("hook_result"), std::string::npos);
    EXPECT_EQ(edit["positions"], json::parse("[-1]"));
    const std::string head = where.substr(7, where.find('.', 7) - 7) + "." +
                             std::to_string(edit["heads"][0].get<int>()) + ".";
    bool found = false;
    for (const auto& [name, factor] : result["components"].items())
      found = found || (name.rfind(head, 0) == 0 && factor == edit["factor"]);
    EXPECT_TRUE(found) << head;
  }
  const auto use = run_weir("run " + model + " --tokens " + pairs + ":clean --intervene " +
                            path("steer.json") + " --save " + path("out.safetensors") + " --quiet");
  EXPECT_EQ(use.status, 0) << use.error;
  expect_usage_error("channels search " + model + " --pairs " + pairs + " --steer --save " +
                         path("steer.safetensors"),
                     "--save");
}

TEST_F(Cli, ChannelsSearchAndTextNameWhatTheyLack) {
  expect_usage_error("channels steer " + kModel + " --task ioi --directions 0.0", "LAYER.HEAD");
  expect_usage_error("channels text " + kModel + " --component 0.0", "LAYER.HEAD.COMPONENT");
  const auto run = run_weir("channels text " + kModel + " --component 0.0.0");
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.error.find("tokenizer"), std::string::npos) << run.error;
  expect_usage_error("channels search " + kModel, "--pairs");
}

TEST_F(Cli, ChannelsRefuseWhatIsNotThere) {
  expect_usage_error("channels " + kModel + " --writer 0-1", "LAYER.HEAD");
  expect_usage_error("channels " + kModel + " --component 1", "--writer");
  expect_usage_error("channels components " + kModel + " --head 9.0", "--head");
  expect_usage_error("channels edit " + kModel + " --head 0.1 --components x --save " + path("e"),
                     "--components");
  EXPECT_NE(run_weir("channels " + kModel + " --offset 1").status, 0) << "no rotary embedding";
  EXPECT_EQ(run_weir("channels --help").status, 0);
}

}  // namespace
}  // namespace weir
