// The training as a whole, on a small model that is rewarded for the letter e in what it writes.
#include "weir/rl/rl_training.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "tests/rl/tiny_model.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "tests/support/refusal.h"
#include "weir/base/error.h"
#include "weir/io/json.h"

namespace weir::rl {
namespace {

using nlohmann::json;

json recipe_json() {
  return {{"model", {{"from", "tiny"}}},
          {"task", {{"kind", "copying"}, {"template", "Once {question}"}, {"stop", json::array()}}},
          {"verifier", {{"kind", "regex"}, {"pattern", "{gold}|e"}}},
          {"rollout", {{"prompts", 4}, {"n", 6}, {"max_new", 5}, {"rows", 12}}},
          {"optimizer", {{"rate", 1e-3}, {"weight_decay", 0.0}}},
          {"schedule", {{"kind", "constant"}, {"warmup", 0}}},
          {"train", {{"steps", 4}, {"rows", 8}}},
          {"run", {{"validation_rows", 4}, {"validation_n", 2}, {"monitor_every", 2}}}};
}

struct Finished {
  TrainingOutcome outcome;
  std::map<std::string, double> figures;
  std::vector<json> lines;
};

class RlTrainingTest : public ::testing::Test {
 protected:
  std::filesystem::path folder(const std::string& name) const { return folder_ / name; }
  Finished train(const json& tree, const std::string& name) const {
    const bool is_there = std::filesystem::exists(folder(name));
    RunDirectory directory =
        is_there ? RunDirectory::open(folder(name)) : RunDirectory::create(folder(name));
    Recipe recipe(tree, folder_.path(), "test");
    RlTraining training(recipe, directory.path(), [](const std::string&) { return tiny_model(); });
    recipe.finish();
    if (!is_there) directory.begin(recipe.merged());
    Finished run;
    run.outcome = run_training(training, directory, training.options());
    for (const auto& [figure, value] : training.figures()) run.figures[figure] = value;
    run.lines = directory.rewind(run.outcome.steps);
    return run;
  }
  io::TemporaryFolder folder_;
};

double reward(const json& line) { return line["more"]["mean/reward"]; }

TEST_F(RlTrainingTest, RewardRises) {
  json tree = recipe_json();
  tree["train"]["steps"] = 16;
  const Finished run = train(tree, "run");
  ASSERT_EQ(run.lines.size(), 16U);
  double first = 0, last = 0;
  for (size_t i = 0; i < 4; ++i) {
    first += reward(run.lines[i]) / 4;
    last += reward(run.lines[12 + i]) / 4;
  }
  EXPECT_LT(first, 0.8);
  EXPECT_GT(last, first + 0.1);
  // The policy that is trained is the one that was sampled from: float32 of two ways to compute it.
  for (const json& line : run.lines) {
    EXPECT_LT(line["more"]["largest/difference from what was sampled (nats)"].get<double>(), 1e-4);
    EXPECT_EQ(line["more"]["ratio_max/ratio"], 1.0);
  }
  EXPECT_TRUE(std::filesystem::exists(folder("run") / "samples/step-00000016.jsonl"));
  EXPECT_TRUE(std::filesystem::exists(folder("run") / "report.html"));
}

json two_phases(int64_t until) {
  json tree = recipe_json();
  tree["phases"] = {{"bottom", {{"policy", "layer"}, {"layer", 2}, {"until", until}}},
                    {"full", {{"policy", "full"}}}};
  return tree;
}

TEST_F(RlTrainingTest, ResumedItGoesOnToTheSameNumbers) {
  json tree = two_phases(2);
  tree["train"]["minibatches"] = 2;
  const Finished whole = train(tree, "whole");
  tree["train"]["steps"] = 1;
  train(tree, "parts");
  tree["train"]["steps"] = 3;
  train(tree, "parts");
  tree["train"]["steps"] = 4;
  const Finished parts = train(tree, "parts");
  ASSERT_EQ(whole.lines.size(), parts.lines.size());
  for (size_t i = 0; i < whole.lines.size(); ++i) {
    for (const char* key : {"loss", "grad_norm", "tokens"}) {
      EXPECT_EQ(whole.lines[i][key], parts.lines[i][key]) << key << i;
    }
    EXPECT_EQ(reward(whole.lines[i]), reward(parts.lines[i]));
  }
  const std::string file = "checkpoints/step-00000004/model.safetensors";
  const auto a = read_all(folder("whole") / file), b = read_all(folder("parts") / file);
  for (const auto& [name, tensor] : a) EXPECT_TRUE(tensor.equal(b.at(name))) << name;
}

TEST_F(RlTrainingTest, InternalPhaseLeavesTheLayersAboveAlone) {
  json tree = two_phases(3);
  tree["train"]["steps"] = 3;
  tree["optimizer"]["weight_decay"] = 0.5;  // Which must not act on them either.
  const Finished run = train(tree, "run");
  const auto start = read_all(folder("run") / "checkpoints/step-00000000/model.safetensors");
  const auto end = read_all(folder("run") / "checkpoints/step-00000003/model.safetensors");
  int n_changed = 0;
  for (const auto& [name, tensor] : start) {
    const size_t place = name.find("layers.");
    const bool is_above =
        name == "model.norm.weight" || (place != std::string::npos && name[place + 7] >= '2');
    EXPECT_TRUE(!is_above || tensor.equal(end.at(name))) << name;
    n_changed += tensor.equal(end.at(name)) ? 0 : 1;
  }
  EXPECT_GT(n_changed, 10);
  EXPECT_EQ(run.figures.at("phase/phase"), 1);
}

TEST_F(RlTrainingTest, GuardsEndAPhaseGoBackOrStop) {
  json tree = two_phases(100);
  tree["train"]["steps"] = 6;
  tree["optimizer"]["rate"] = 3e-2;  // Ruins the model at once.
  tree["guards"] = {{"perplexity", 0.5}, {"action", "next_phase"}};
  EXPECT_EQ(train(tree, "next").figures.at("phase/phase"), 2);
  tree["guards"]["action"] = "rollback";
  EXPECT_EQ(train(tree, "back").figures.at("phase/phase"), 2);
  tree["guards"]["action"] = "stop";
  const std::string said = testing::refusal([&] { train(tree, "stop"); });
  EXPECT_NE(said.find("guard: after step 1, the full policy's perplexity rose from"),
            std::string::npos)
      << said;
}

TEST_F(RlTrainingTest, FrozenParametersStay) {
  json tree = recipe_json();
  tree["train"]["steps"] = 2;
  tree["phases"] = {{"all", {{"freeze", {"blocks.0.*", "embed.*"}}}}};
  train(tree, "run");
  const auto start = read_all(folder("run") / "checkpoints/step-00000000/model.safetensors");
  const auto end = read_all(folder("run") / "checkpoints/step-00000002/model.safetensors");
  for (const auto& [name, tensor] : start) {
    const bool is_frozen = name.find("layers.0.") != std::string::npos ||
                           name.find("embed_tokens") != std::string::npos;
    EXPECT_EQ(tensor.equal(end.at(name)), is_frozen) << name;
  }
}

TEST_F(RlTrainingTest, DynamicSamplingKeepsGroupsThatDiffer) {
  json tree = recipe_json();
  tree["rollout"]["attempts"] = 4;
  for (const json& line : train(tree, "run").lines) {
    EXPECT_EQ(line["more"]["groups/share without variance"], 0);
  }
}

TEST_F(RlTrainingTest, AutomaticLayerIsTold) {
  json tree = recipe_json();
  tree["train"]["steps"] = 1;
  tree["phases"] = {{"bottom", {{"policy", "layer"}, {"layer", "auto"}, {"until", 1}}},
                    {"full", json::object()}};
  Recipe recipe(tree, folder_.path(), "test");
  const RlTraining training(recipe, folder("run"), [](const std::string&) { return tiny_model(); });
  EXPECT_NE(training.boundary_note().find("layer = auto"), std::string::npos);
  EXPECT_GE(training.phases()[0].spec.layer, 1);
}

TEST_F(RlTrainingTest, WhatMeansNothingIsRefused) {
  json tree = two_phases(2);
  tree["objective"] = {{"kl", {{"coef", 0.1}}}};
  EXPECT_NE(testing::refusal([&] { train(tree, "a"); }).find("means nothing in a phase"),
            std::string::npos);
  tree = two_phases(2);
  tree["phases"]["bottom"]["layer"] = 99;
  EXPECT_NE(testing::refusal([&] { train(tree, "b"); }).find("expected a layer from 1 to"),
            std::string::npos);
}

TEST(Phases, ByTheirSteps) {
  const auto phases = phases_of({{"z", {{"policy", "layer"}, {"layer", 1}, {"until", 3}}},
                                 {"m", {{"policy", "layer"}, {"layer", 2}, {"until", 5}}},
                                 {"a", {{"policy", "full"}}}},
                                4, 1, nullptr);
  // Steps count from 1, and until is the last of a phase.
  EXPECT_EQ(phase_at(phases, 1), 0U);
  EXPECT_EQ(phase_at(phases, 3), 0U);
  EXPECT_EQ(phase_at(phases, 4), 1U);
  EXPECT_EQ(phase_at(phases, 6), 2U);
  EXPECT_EQ(phase_at(phases, 1, 2), 2U);
}

TEST(Guards, EachFires) {
  const auto fires = [](const json& settings, const std::vector<GuardReading>& readings) {
    GuardWatch watch(guard_options(settings));
    for (size_t i = 0; i + 1 < readings.size(); ++i) EXPECT_FALSE(watch.take(readings[i]));
    return watch.take(readings.back()).has_value();
  };
  EXPECT_TRUE(fires({{"perplexity", 0.1}}, {{2, {}, 0}, {2.1, {}, 0}, {2.3, {}, 0}}));
  EXPECT_FALSE(fires({{"perplexity", 0.1}}, {{2, {}, 0}, {2.1, {}, 0}}));
  EXPECT_TRUE(fires({{"perplexity", 0.1}}, {{2, {}, 0}, {std::nan(""), {}, 0}}));
  EXPECT_TRUE(fires({{"kl", 1}}, {{2, 3.0, 0}, {2, 2.0, 0}, {2, 3.1, 0}}));
  EXPECT_FALSE(fires({{"kl", 1}}, {{2, 3.0, 0}, {2, 2.0, 0}, {2, 2.9, 0}}));
  EXPECT_TRUE(fires({{"length", 0.3}}, {{2, {}, 0.1}, {2, {}, 0.3}, {2, {}, 0.5}}));
}

}  // namespace
}  // namespace weir::rl
