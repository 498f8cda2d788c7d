#include <filesystem>
#include <fstream>
#include <random>

#include <ATen/ATen.h>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/started_command.h"
#include "tests/support/read_all.h"
#include "weir/data/activation_store_writer.h"
#include "weir/train/process_group.h"
#include "weir/train/state_file.h"

namespace {

namespace fs = std::filesystem;

class SaeTrainCli : public Cli {
 protected:
  // A store of sparse mixtures, and a recipe for two dictionaries of it.
  void SetUp() override {
    Cli::SetUp();
    at::manual_seed(3);
    constexpr int64_t kLength = 16, kContexts = 64, kWidth = 12;
    weir::data::ActivationStoreWriter writer(
        path("acts"), {{{"blocks.0.hook_resid_post", kWidth}}, at::kFloat, kLength, 16}, "{}");
    writer.set_norm_limits({0});
    const at::Tensor directions = at::randn({24, kWidth});
    for (int64_t i = 0; i < kContexts; ++i) {
      weir::data::ActivationBlock block;
      block.first_context = i;
      block.tokens = at::arange(kLength, at::kLong).unsqueeze(0);
      block.rows.tokens = block.tokens[0];
      block.rows.positions = block.tokens[0];
      block.rows.contexts = at::full({kLength}, i, at::kLong);
      const at::Tensor code = at::rand({kLength, 24}) * (at::rand({kLength, 24}) < 0.1);
      block.rows.activations = {code.matmul(directions)};
      block.dropped.n_tokens = kLength;
      block.dropped.norms_by_site = {0};
      writer.append(block);
    }
    writer.finish();
    write("recipe.toml", R"([data]
store = "acts"
[train]
steps = 24
batch = 32
[optimizer]
rate = 3e-3
[run]
validation_rows = 128
checkpoint_every = 5
[sae.plain]
d_sae = 36
k = 3
[sae.plain.dead]
threshold = 200
[sae.noisy]
preset = "weir/vsae_topk"
d_sae = 36
k = 3
normalise = "mean_norm"
)");
  }

  std::vector<nlohmann::json> metrics(const std::string& run) const {
    std::ifstream file(path(run) + "/metrics.jsonl");
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(file, line);) {
      lines.push_back(nlohmann::json::parse(line));
      lines.back().erase("tokens_per_second");
    }
    return lines;
  }
};

TEST_F(SaeTrainCli, TrainsAllOfARecipeAndTells) {
  const auto run = run_weir("sae train " + path("recipe.toml") +
                            " --threads 1 --json --set train.steps=120 --out " + path("run"));
  ASSERT_EQ(run.status, 0) << run.error;
  const auto found = run.json().at("result").at("dictionaries");
  ASSERT_EQ(found.size(), 2U);
  const auto lines = metrics("run");
  for (const auto& of : found) {
    const std::string name = of.at("name");
    const std::string figure = name + "/explained variance";
    EXPECT_GT(of.at("explained_variance").get<double>(),
              lines[0].at("more").at(figure).get<double>() + 0.1);
    EXPECT_LE(of.at("l0").get<double>(), 3);
    EXPECT_GT(of.at("alive").get<double>(), 0.5);
    // What is left is a dictionary that every verb reads.
    const auto info = run_weir("sae info " + of.at("folder").get<std::string>() + " --json");
    ASSERT_EQ(info.status, 0) << info.error;
    EXPECT_NE(info.out.find("blocks.0.hook_resid_post"), std::string::npos);
  }
  const std::string page = file_text(path("run/report.html"));
  for (const char* title : {"explained variance", "L0", "alive", "sigma"}) {
    EXPECT_NE(page.find(title), std::string::npos) << title;
  }
  EXPECT_NE(file_text(path("run/recipe.toml")).find("relu_mu"), std::string::npos);
}

TEST_F(SaeTrainCli, GoesOnBitForBitAfterKills) {
  const std::string recipe = path("recipe.toml");
  ASSERT_EQ(run_weir("sae train " + recipe + " --threads 1 --quiet --out " + path("whole")).status,
            0);
  std::mt19937 random(std::random_device{}());
  int lines = 1 + static_cast<int>(random() % 8);
  run_and_kill({"sae", "train", recipe, "--threads", "1", "--quiet", "--out", path("cut")},
               path("cut"), lines);
  lines += 1 + static_cast<int>(random() % 8);
  run_and_kill({"sae", "train", "--resume", path("cut"), "--threads", "1", "--quiet"}, path("cut"),
               lines);
  const auto end = run_weir("sae train --resume " + path("cut") + " --threads 1 --quiet");
  ASSERT_EQ(end.status, 0) << end.error;
  EXPECT_EQ(metrics("cut"), metrics("whole")) << "killed near line " << lines;
  const std::string state = "/checkpoints/step-00000024/training.safetensors";
  EXPECT_EQ(file_text(path("cut") + state), file_text(path("whole") + state));
}

TEST_F(SaeTrainCli, TwoProcessesMakeTheUpdatesOfOneWithTheDoubledBatch) {
  if (!weir::ProcessGroup::is_available()) GTEST_SKIP() << "this LibTorch comes without Gloo";
  const std::string recipe = path("recipe.toml");
  ASSERT_EQ(run_weir("sae train " + recipe + " --threads 1 --quiet --set train.batch=64 --out " +
                     path("one"))
                .status,
            0);
  const std::vector<std::string> arguments = {"sae", "train",   recipe,  "--threads",
                                              "1",   "--quiet", "--out", path("two")};
  ASSERT_NO_FATAL_FAILURE(run_as_two(arguments));
  const auto a = metrics("one"), b = metrics("two");
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].at("tokens"), b[i].at("tokens"));
    // Sums in another order, carried on through 24 updates.
    for (const auto& [name, value] : a[i].at("more").items()) {
      EXPECT_NEAR(value.get<double>(), b[i].at("more").at(name).get<double>(),
                  1e-3 * (1 + std::abs(value.get<double>())))
          << i << name;
    }
  }
}

TEST_F(SaeTrainCli, RefusesInOneLine) {
  const auto refused = [&](const std::string& setting, const std::string& part) {
    const auto run = run_weir("sae train " + path("recipe.toml") + " --quiet --set " + setting +
                              " --out " + path("x"));
    EXPECT_EQ(run.status, 1) << setting;
    EXPECT_EQ(count_lines(run.error), 1) << run.error;
    EXPECT_NE(run.error.find(part), std::string::npos) << run.error;
    EXPECT_FALSE(fs::exists(path("x"))) << setting;
  };
  refused("sae.plain.preset=weir/topc", "weir/topk");
  refused("sae.plain.auxk.per=all", "residual_variance");
  refused("sae.plain.normalise=yes", "mean_square");
  refused("sae.plain.kay=3", "sae.plain.k");
  refused("data.site=blocks.1.hook_resid_post", "blocks.0.hook_resid_post");
  refused("data.store=nowhere", "nowhere");
}

// A step through the command, under a peer's names.
TEST_F(SaeTrainCli, TakesOneStepFromGivenWeights) {
  const std::string folder = kGolden + "/sae-train/";
  write(
      "step.json",
      R"({"preset": "dictionary_learning/topk", "k": 5, "rate": 0.003, "dead": {"threshold": 500},)"
      R"( "threshold": {"rate": 0.1, "start": 1}})");
  const auto run = run_weir("sae step --config " + path("step.json") + " --weights " + folder +
                            "dl_topk.safetensors:init. --batch " + folder +
                            "common.safetensors:x --since-fired " + folder +
                            "common.safetensors:age --json --save " + path("out.safetensors"));
  ASSERT_EQ(run.status, 0) << run.error;
  const auto expected = nlohmann::json::parse(file_text(folder + "steps.json"));
  const auto rows = expected.at("cases").at("dl_topk").at("steps");
  const auto steps = run.json().at("result").at("steps");
  ASSERT_EQ(steps.size(), rows.size());
  EXPECT_NEAR(steps[0].at("loss").get<double>(), rows[0].at("terms").at("loss").get<double>(),
              1e-4);
  EXPECT_EQ(steps[0].at("dead"), rows[0].at("dead_features"));
  const auto out = weir::read_all(path("out.safetensors"));
  const auto golden = weir::read_all(folder + "dl_topk.safetensors");
  for (const char* name : {"encoder.weight", "encoder.bias", "decoder.weight", "b_dec"}) {
    const std::string key = name;
    const auto gap = [&](const std::string& own, const std::string& other) {
      return (out.at(own).to(at::kFloat) - golden.at(other)).abs().max().item<double>();
    };
    EXPECT_LE(gap("grad." + key, "step0.grad." + key), 1e-5) << name;
    EXPECT_LE(gap("grad_final." + key, "step0.grad_final." + key), 1e-5) << name;
    EXPECT_LE(gap("after1." + key, "after1." + key), 1e-5) << name;
  }
}

}  // namespace
