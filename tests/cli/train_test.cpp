#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/started_command.h"
#include "weir/train/process_group.h"

namespace {

namespace fs = std::filesystem;

const std::string kTiny = fs::path(kGolden).parent_path().parent_path() / "recipes" / "tiny.toml";

// Smaller yet, so that it is done in a second.
const std::string kSmall =
    " --set model.config.n_embd=32 --set data.length=32 --set train.steps=24 --set train.batch=4"
    " --set run.checkpoint_every=5 --set tokenizer.vocab_size=300 --set data.packing=documents";

class TrainCli : public Cli {
 protected:
  // Lines of metrics without what the clock says.
  std::vector<nlohmann::json> metrics(const std::string& run) const {
    std::ifstream file(path(run) + "/metrics.jsonl");
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(file, line);) {
      lines.push_back(nlohmann::json::parse(line));
      for (const char* key : {"step", "tokens", "loss", "lr", "grad_norm", "tokens_per_second"}) {
        EXPECT_TRUE(lines.back().contains(key)) << key;
      }
      lines.back().erase("tokens_per_second");
    }
    return lines;
  }
};

TEST_F(TrainCli, LearnsAndLeavesAModelThatEveryVerbReads) {
  const auto run =
      run_weir("train " + kTiny + " --threads 1 --json --set train.steps=60 --out " + path("tiny"));
  ASSERT_EQ(run.status, 0) << run.error;
  const auto result = run.json().at("result");
  const auto lines = metrics("tiny");
  ASSERT_EQ(lines.size(), 60U);
  EXPECT_NEAR(lines[0].at("loss").get<double>(), std::log(512), 0.3)
      << "a fresh model knows nothing";
  EXPECT_LT(result.at("validation_loss").get<double>(), 5.3);
  const auto kept = nlohmann::json::parse(file_text(path("tiny/result.json")));
  EXPECT_EQ(kept.at("validation_loss"), result.at("validation_loss"));
  EXPECT_EQ(kept.at("tokens"), 60 * 8 * 64);
  EXPECT_NE(file_text(path("tiny/report.html")).find("Held-out loss"), std::string::npos);
  EXPECT_NE(file_text(path("tiny/recipe.toml")).find("steps = 60"), std::string::npos);
  const std::string model = result.at("checkpoint");
  EXPECT_EQ(run_weir("generate " + model + " 'Alice was' --greedy --max-new 8").status, 0);
  EXPECT_TRUE(fs::exists(path("tiny/checkpoints/step-00000016/model.safetensors"))) << "log-spaced";
  // Further, from that checkpoint.
  const auto more = run_weir("train " + kTiny +
                             " --threads 1 --json --set train.steps=3 --set model.from=" + model +
                             " --set schedule.warmup=0 --out " + path("more"));
  ASSERT_EQ(more.status, 0) << more.error;
  EXPECT_LT(metrics("more")[0].at("loss").get<double>(), 5.4);
  // The same by an adapter, which the model itself does not notice.
  const auto adapter = run_weir(
      "train " + kTiny + " --threads 1 --json --set train.steps=12 --set model.from=" + model +
      " --set schedule.warmup=0 --set lora.rank=4 --set lora.merge=true --out " + path("lora"));
  ASSERT_EQ(adapter.status, 0) << adapter.error;
  const std::string changed = adapter.json().at("result").at("checkpoint");
  EXPECT_NE(file_text(changed + "/adapter_config.json").find("\"c_attn\""), std::string::npos);
  EXPECT_LT(fs::file_size(changed + "/adapter_model.safetensors"),
            fs::file_size(model + "/model.safetensors") / 4);
  EXPECT_EQ(run_weir("generate " + changed + "/merged 'Alice was' --greedy --max-new 8").status, 0);
  EXPECT_LT(adapter.json().at("result").at("validation_loss"), result.at("validation_loss"));
  EXPECT_EQ(run_weir("train --resume " + path("lora") + " --threads 1 --quiet").status, 0);
}

TEST_F(TrainCli, GoesOnBitForBitAfterKills) {
  const std::string recipe = "train " + kTiny + kSmall + " --threads 1 --quiet --out ";
  ASSERT_EQ(run_weir(recipe + path("whole")).status, 0);
  std::mt19937 random(std::random_device{}());
  std::vector<std::string> first = {"train",   kTiny,   "--threads", "1",
                                    "--quiet", "--out", path("cut")};
  std::istringstream settings(kSmall);
  for (std::string word; settings >> word;) first.push_back(word);
  int lines = 1 + static_cast<int>(random() % 8);
  run_and_kill(first, path("cut"), lines);
  lines += 1 + static_cast<int>(random() % 8);
  run_and_kill({"train", "--resume", path("cut"), "--threads", "1", "--quiet"}, path("cut"), lines);
  const auto end = run_weir("train --resume " + path("cut") + " --threads 1 --quiet");
  ASSERT_EQ(end.status, 0) << end.error;
  EXPECT_EQ(metrics("cut"), metrics("whole")) << "killed near line " << lines;
  const std::string model = "/checkpoints/step-00000024/model.safetensors";
  EXPECT_EQ(file_text(path("cut") + model), file_text(path("whole") + model));
  const std::string state = "/checkpoints/step-00000024/training.safetensors";
  EXPECT_EQ(file_text(path("cut") + state), file_text(path("whole") + state));
}

TEST_F(TrainCli, TwoProcessesMakeTheUpdatesOfOneWithTheDoubledBatch) {
  if (!weir::ProcessGroup::is_available()) GTEST_SKIP() << "this LibTorch comes without Gloo";
  const auto one = run_weir("train " + kTiny + kSmall +
                            " --threads 1 --quiet --set train.batch=8 --out " + path("one"));
  ASSERT_EQ(one.status, 0) << one.error;
  std::vector<std::string> arguments = {"train",   kTiny,   "--threads", "1",
                                        "--quiet", "--out", path("two")};
  std::istringstream settings(kSmall);  // Batches of 4.
  for (std::string word; settings >> word;) arguments.push_back(word);
  ASSERT_NO_FATAL_FAILURE(run_as_two(arguments));
  const auto a = metrics("one"), b = metrics("two");
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].at("tokens"), b[i].at("tokens"));
    // Sums in another order, carried on through 24 updates.
    EXPECT_NEAR(a[i].at("loss").get<double>(), b[i].at("loss").get<double>(), 1e-4) << i;
    EXPECT_NEAR(a[i].at("grad_norm").get<double>(), b[i].at("grad_norm").get<double>(), 1e-3) << i;
  }
  EXPECT_NEAR(a.back().at("validation_loss").get<double>(),
              b.back().at("validation_loss").get<double>(), 1e-4);
}

TEST_F(TrainCli, RefusesInOneLine) {
  expect_usage_error("train", "RECIPE.toml with --out DIR, or --resume DIR");
  expect_usage_error("train " + kTiny + " --resume " + path("x"), "--resume DIR alone");
  const auto refused = [&](const std::string& arguments, const std::string& part) {
    const auto run = run_weir("train " + arguments + " --quiet");
    EXPECT_EQ(run.status, 1) << arguments;
    EXPECT_EQ(count_lines(run.error), 1) << run.error;
    EXPECT_NE(run.error.find(part), std::string::npos) << run.error;
    EXPECT_FALSE(fs::exists(path("x"))) << arguments;
  };
  const std::string small = kTiny + kSmall + " --out " + path("x");
  refused("--resume " + path("none"), "no recipe.toml");
  refused(small + " --set optimizer.kind=adan", "adamw, adam, muon or sgd, found 'adan'");
  refused(small + " --set optimiser.rate=1", "did you mean optimizer.rate");
  refused(small + " --set train.batch=0", "train.batch: expected a whole number of 1 or more");
  refused(small + " --set data.length=512", "the model has 64 positions");
  refused(small + " --set model.config.model_type=gpt9", "gpt9");
}

TEST_F(TrainCli, StopsWhereItDiverges) {
  const auto run =
      run_weir("train " + kTiny + kSmall + " --threads 1 --quiet --out " + path("wild") +
               " --set optimizer.rate=1e9 --set schedule.warmup=0 --set optimizer.clip=0");
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(count_lines(run.error), 1) << run.error;
  EXPECT_NE(run.error.find("the last good checkpoint is"), std::string::npos) << run.error;
}

}  // namespace
