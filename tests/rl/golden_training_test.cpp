// Two phases on stored sequences against torch (bupo_two_phase), and Pass@k, against exact
// rationals.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "weir/io/json.h"
#include "weir/model/hugging_face_values.h"
#include "weir/model/own.h"
#include "weir/rl/evaluation.h"
#include "weir/rl/policy_trainer.h"
#include "weir/train/adam.h"

namespace weir::rl {
namespace {

using nlohmann::json;

// The reference's float32 RoPE tables: 1e-6 of scores, which a ratio and a norm carry on; updates
// add them up.
constexpr double kScore = 1e-5;
// Of a weight after 8 updates of 3e-3 each: Adam divides a gradient by its own size, so that
// entries near 0 take over the gradients' relative error.
constexpr double kWeight = 2e-5;

TEST(GoldenRlTwoPhases, IsTheReferencesTraining) {
  const auto folder = golden_topic("rl");
  const auto golden = read_all(folder / "bupo_two_phase.safetensors");
  const json notes = io::read_json(folder / "bupo_two_phase.json"), settings = notes["settings"];
  LoadedModel model = own(load_model(folder / notes["model"].get<std::string>()), at::kDouble);
  LanguageTrainerOptions options;
  options.compute = at::kDouble;
  LanguageTrainer holder(&model, {"*"}, options);
  AdamOptions adam;
  adam.weight_decay = settings["weight_decay"];
  adam.decoupled = true;
  holder.set_optimizer(std::make_unique<Adam>(holder.leaves(), adam));
  PolicyTrainer trainer(&holder, &model, nullptr);
  ObjectiveOptions objective;
  objective.loss.low = objective.loss.high = settings["clip"];
  objective.loss.dual = settings["dual_clip"];
  for (const json& step : notes["steps"]) {
    const int64_t number = step["step"];
    const std::string in = fmt::format("in.step{}.", number);
    PolicySpec spec;
    if (number <= settings["s_inter"].get<int64_t>()) {
      spec = policy_spec("layer", settings["layer"], "none", 1, model.config.n_layers);
    }
    PolicyBatch batch;
    batch.tokens.tokens = golden.at(in + "ids").to(at::kLong);
    batch.mask = golden.at(in + "response_mask");
    batch.advantage = golden.at(in + "advantage").unsqueeze(1).expand_as(batch.mask).contiguous();
    batch.old_log_prob = trainer.scores(batch.tokens, at::ones_like(batch.mask), spec, 3).log_prob;
    EXPECT_LT(
        max_difference(batch.old_log_prob, golden.at(fmt::format("step{}.old_logp", number))),
        kScore * golden.at(fmt::format("step{}.old_logp", number)).abs().max().item<double>());
    const PolicyScores full = trainer.scores(batch.tokens, batch.mask, {}, 8);
    EXPECT_NEAR(full.entropy.sum().item<double>() / batch.mask.sum().item<double>(),
                step["full_policy_entropy"].get<double>(), kScore);
    const int64_t rows = batch.mask.size(0) / settings["minibatches"].get<int64_t>();
    for (size_t k = 0; k < step["updates"].size(); ++k) {
      const json& expected = step["updates"][k];
      const auto first = static_cast<int64_t>(k) * rows;
      // In parts of 3 rows: they add up to the whole.
      const auto done = trainer.update(batch.rows(first, first + rows), spec, objective,
                                       settings["lr"], settings["grad_clip"], 3);
      EXPECT_NEAR(done.loss, expected["loss"].get<double>(), kScore) << number << " " << k;
      EXPECT_NEAR(done.gradient_norm / expected["grad_norm"].get<double>(), 1, kScore);
      EXPECT_NEAR(done.stats.at("ratio_min"), expected["ratio_min"].get<double>(), kScore);
      EXPECT_NEAR(done.stats.at("ratio_max") / expected["ratio_max"].get<double>(), 1, kScore);
      EXPECT_NEAR(done.stats.at("clip_share"), expected["actor/pg_clipfrac"].get<double>(), 1e-9);
    }
  }
  std::vector<at::Tensor> values, steps;
  const at::Tensor counts = holder.optimizer().state().at("counts");
  for (size_t i = 0; i < holder.leaves().size(); ++i) {
    values.push_back(holder.leaves()[i].detach());
    steps.push_back(at::full_like(values[i], counts[static_cast<int64_t>(i)].item<double>()));
  }
  const auto counted = under_hugging_face_names(model, holder.parameters(), steps);
  size_t n = 0;
  for (const auto& [name, value] : under_hugging_face_names(model, holder.parameters(), values)) {
    EXPECT_LT(max_difference(value, golden.at("final." + name)), kWeight) << name;
    // Blocks above the layer begin to count with the full phase.
    EXPECT_EQ(counted.at(name).max().item<double>(), notes["adam_step"][name].get<double>())
        << name;
    ++n;
  }
  EXPECT_EQ(n, notes["params"].get<size_t>());
}

TEST(GoldenRlPassAtK, IsTheExactRationals) {
  const json notes = io::read_json(golden_topic("rl") / "passk.json");
  for (const json& of : notes["exact_rational_then_float64"]) {
    for (const auto& [k, expected] : of["pass_at_k"].items()) {
      // A product of up to 300 factors.
      EXPECT_NEAR(pass_at_k(of["n"], of["c"], std::stoll(k)), expected.get<double>(), 1e-13) << of;
    }
  }
}

TEST(GoldenRlPassAtK, TablesOfProblemsAndVotes) {
  const json notes = io::read_json(golden_topic("rl") / "passk.json");
  std::vector<JudgedProblem> problems;
  for (const json& row : notes["correct"]) {
    JudgedProblem problem;
    for (const json& is_right : row) {
      problem.scores.push_back(is_right.get<double>());
      problem.answers.push_back(is_right.get<double>() > 0 ? "right" : "wrong");
    }
    problems.push_back(problem);
  }
  const EvaluationResult found = evaluate(problems, notes["k"].get<std::vector<int64_t>>());
  EXPECT_NEAR(found.average.mean, notes["avg_at_n_mean"].get<double>(), 1e-12);
  for (size_t i = 0; i < found.k.size(); ++i) {
    EXPECT_NEAR(found.pass[i].mean, notes["pass_at_k_mean"][i].get<double>(), 1e-12);
    EXPECT_LE(found.pass[i].low, found.pass[i].mean);
  }
  const json& votes = notes["majority"];
  for (size_t i = 0; i < votes["answers"].size(); ++i) {
    const auto answers = votes["answers"][i].get<std::vector<std::string>>();
    EXPECT_EQ(answers[static_cast<size_t>(majority(answers))], votes["vote"][i]);
  }
}

TEST(Comparison, DifferencesProblemByProblem) {
  std::vector<JudgedProblem> worse, better;
  for (int i = 0; i < 40; ++i) {
    const double bad = i % 3 == 0 ? 1 : 0;
    worse.push_back({{bad, 0}, {"a", "b"}});
    better.push_back({{bad, 1}, {"a", "b"}});
  }
  const PairedComparison found = compare(worse, better, {1, 2});
  EXPECT_NEAR(found.average.mean, 0.5, 1e-12);
  EXPECT_TRUE(found.is_real());
  EXPECT_LT(found.p, 0.001);
  const PairedComparison none = compare(worse, worse, {1});
  EXPECT_FALSE(none.is_real());
  EXPECT_EQ(none.p, 1);
}

}  // namespace
}  // namespace weir::rl
