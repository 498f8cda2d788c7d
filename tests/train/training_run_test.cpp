#include "weir/train/training_run.h"

#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/train/adam.h"
#include "weir/train/checkpoint_steps.h"
#include "weir/train/state_file.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

/// Fits a vector to noisy targets by Adam.
class Fit final : public Trainee {
 public:
  Fit() : p_(at::zeros({16})), adam_({p_}, {}) {}

  Update update(int64_t step, double rate) override {
    if (step == fails_at) throw std::runtime_error("killed");
    at::Tensor d = p_ - 1 - at::sin(at::arange(16) * static_cast<double>(step + 1));
    Update of{d.square().sum().item<double>(), d.norm().item<double>(), 16};
    if (step == nan_at) of.loss = NAN;
    if (step >= spoilt_from) of.loss = 1e3;
    if (std::isfinite(of.loss)) adam_.step({d}, rate);
    return of;
  }
  double validate() override { return (p_ - 1).square().sum().item<double>(); }
  void save(const fs::path& folder) const override {
    TrainingState state{adam_.state(), {}};
    state.tensors["p"] = p_;
    save_state(state, folder / "state.safetensors");
    std::ofstream(folder / "model") << "for good";
  }
  void load(const fs::path& folder) override {
    TrainingState state = read_state(folder / "state.safetensors");
    p_.copy_(state.tensors.at("p"));
    state.tensors.erase("p");
    adam_.load_state(state.tensors);
  }
  void strip(const fs::path& folder) const override { fs::remove(folder / "state.safetensors"); }

  int64_t fails_at = -1, nan_at = -1, spoilt_from = INT64_MAX;
  const at::Tensor& value() const { return p_; }

 private:
  at::Tensor p_;
  Adam adam_;
};

TrainingRunOptions options(int64_t steps) {
  TrainingRunOptions of;
  of.steps = steps;
  of.rate = 0.1;
  of.schedule = {ScheduleKind::kLinear, 2, steps};
  of.validate_every = 4;
  of.checkpoint_every = 3;
  of.kept = log_spaced_steps(steps, 1);
  return of;
}

std::vector<nlohmann::json> metrics(const fs::path& run) {
  std::ifstream file(run / "metrics.jsonl");
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(nlohmann::json::parse(line));
    EXPECT_TRUE(lines.back().contains("tokens_per_second"));
    lines.back().erase("tokens_per_second");
  }
  return lines;
}

RunDirectory begun(const fs::path& path) {
  RunDirectory directory = RunDirectory::create(path);
  directory.begin("steps = 20\n");
  return directory;
}

class TrainingRunTest : public testing::Test {
 protected:
  fs::path folder() const { return folder_.path(); }
  fs::path run() const { return folder() / "run"; }

 private:
  io::TemporaryFolder folder_;
};

TEST_F(TrainingRunTest, LeavesWhatItPromises) {
  Fit fit;
  RunDirectory directory = begun(run());
  const TrainingOutcome outcome = run_training(fit, directory, options(20));
  const auto lines = metrics(run());
  ASSERT_EQ(lines.size(), 20U);
  EXPECT_EQ(lines[0].at("step"), 1);
  EXPECT_EQ(lines[19].at("tokens"), 320);
  for (const char* key : {"loss", "lr", "grad_norm"}) EXPECT_TRUE(lines[7].contains(key)) << key;
  EXPECT_TRUE(lines[7].contains("validation_loss"));
  EXPECT_FALSE(lines[8].contains("validation_loss"));
  const auto result = io::read_json(run() / "result.json");
  EXPECT_EQ(result.at("validation_loss"), outcome.validation_loss);
  EXPECT_EQ(outcome.validation_loss, fit.validate());
  EXPECT_EQ(directory.checkpoints(), (std::vector<int64_t>{0, 1, 2, 4, 8, 16, 18, 20}));
  EXPECT_FALSE(fs::exists(directory.checkpoint(16) / "state.safetensors")) << "stripped";
  EXPECT_TRUE(fs::exists(directory.checkpoint(16) / "model"));
  EXPECT_TRUE(fs::exists(directory.checkpoint(18) / "state.safetensors")) << "to resume from";
  EXPECT_TRUE(fs::exists(run() / "report.html"));
  EXPECT_THROW(begun(run()), Error) << "not empty";
  EXPECT_THROW(RunDirectory::open(run()), Error) << "locked";
  EXPECT_THROW(RunDirectory::open(folder() / "none"), Error);
  RunDirectory none = RunDirectory::create(folder() / "none");
  none.discard();
  EXPECT_FALSE(fs::exists(folder() / "none"));
}

TEST_F(TrainingRunTest, GoesOnToTheSameNumbers) {
  Fit whole;
  {
    RunDirectory directory = begun(folder() / "whole");
    run_training(whole, directory, options(20));
  }
  for (const int64_t fails_at : {0, 1, 10, 19}) {
    fs::remove_all(run());
    Fit first;
    first.fails_at = fails_at;
    {
      RunDirectory directory = begun(run());
      EXPECT_THROW(run_training(first, directory, options(20)), std::runtime_error);
    }
    // What a kill leaves: half a line, half a checkpoint.
    std::ofstream(run() / "metrics.jsonl", std::ios::app) << "{\"step\": 1";
    fs::create_directories(run() / "checkpoints" / "step-00000011.77-0.tmp");
    Fit second;
    RunDirectory directory = RunDirectory::open(run());
    EXPECT_EQ(directory.last_checkpoint().value(), fails_at == 19   ? 18
                                                   : fails_at == 10 ? 9
                                                                    : fails_at);
    run_training(second, directory, options(20));
    EXPECT_TRUE(second.value().equal(whole.value())) << fails_at;
    EXPECT_EQ(metrics(run()), metrics(folder() / "whole")) << fails_at;
    EXPECT_FALSE(fs::exists(run() / "checkpoints" / "step-00000011.77-0.tmp"));
  }
}

TEST_F(TrainingRunTest, StopsWhenItDivergesAndKeepsTheLastGoodCheckpoint) {
  const auto message = [&](Fit& fit) {
    fs::remove_all(run());
    RunDirectory directory = begun(run());
    try {
      run_training(fit, directory, options(40));
      ADD_FAILURE() << "went on";
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  Fit lost;
  lost.nan_at = 13;
  const std::string nan = message(lost);
  EXPECT_NE(nan.find("the loss of update 14 is nan"), std::string::npos) << nan;
  EXPECT_NE(nan.find("step-00000012"), std::string::npos) << nan;
  Fit high;
  high.spoilt_from = 20;
  const std::string rose = message(high);
  EXPECT_NE(rose.find("to 1000.000 at update 25"), std::string::npos) << rose;
  // 21 and 24 would be due, but what they held might be spoilt.
  EXPECT_NE(rose.find("step-00000018"), std::string::npos) << rose;
  EXPECT_EQ(rose.find('\n'), std::string::npos);
}

TEST(Divergence, OneBadBatchIsNone) {
  DivergenceWatch watch;
  for (int64_t step = 1; step < 200; ++step) {
    const double loss = step % 20 == 0 ? 30 : 4 + 0.1 * std::sin(static_cast<double>(step));
    EXPECT_FALSE(watch.take(step, loss, 1)) << step;
    EXPECT_EQ(watch.is_suspicious(), step % 20 == 0);
  }
  EXPECT_TRUE(watch.take(200, 4, INFINITY));
}

TEST(CheckpointSteps, AreSpacedByTheLogarithm) {
  EXPECT_EQ(log_spaced_steps(20, 1), (std::vector<int64_t>{0, 1, 2, 4, 8, 16, 20}));
  EXPECT_EQ(log_spaced_steps(12, 2), (std::vector<int64_t>{0, 1, 2, 3, 4, 6, 8, 11, 12}));
  EXPECT_EQ(log_spaced_steps(5, 0), (std::vector<int64_t>{5}));
}

}  // namespace
}  // namespace weir
