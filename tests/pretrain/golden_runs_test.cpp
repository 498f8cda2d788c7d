// Whole trainings of some 20 updates against transformers and torch.optim.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/pretrain/golden_train.h"
#include "weir/pretrain/parameter_groups.h"
#include "weir/pretrain/trainer.h"
#include "weir/train/adam.h"
#include "weir/train/schedule.h"

namespace weir {
namespace {

// From the README: losses of float32 and float64 runs differ by 7e-7, weights by 4e-7.
constexpr double kLoss = 1e-4, kWeight = 2e-5;
// Of the largest entry: moments are averages of gradients, which are right to 1e-5 of theirs.
constexpr double kMoment = 1e-4;

Schedule schedule_of(const nlohmann::json& of) {
  Schedule schedule;
  schedule.kind = parse_schedule(of["kind"].get<std::string>());
  schedule.warmup = of["warmup"];
  schedule.least = of.value("min_ratio", 0.0);
  if (schedule.kind == ScheduleKind::kWsd) {
    schedule.decay = of["decay"];
    schedule.total = schedule.warmup + of["stable"].get<int64_t>() + schedule.decay;
  } else {
    schedule.total = of["total"];
  }
  return schedule;
}

bool ends_in(const std::string& name, const std::string& end) {
  return name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

// A key bias moves all scores of a query alike, which the softmax ignores (where keys are turned by
// their position, that holds for the dimensions that are not): its gradient is rounding noise, and
// Adam makes full steps of it (README).
at::Tensor without_key_bias(const std::string& name, const at::Tensor& tensor, int64_t n_heads) {
  if (ends_in(name, "c_attn.bias")) {
    const int64_t n = tensor.size(0) / 3;
    return at::cat({tensor.slice(0, 0, n), tensor.slice(0, 2 * n)});
  }
  if (ends_in(name, "query_key_value.bias")) {  // [heads, (q, k, v), d_head]
    const at::Tensor by_head = tensor.view({n_heads, 3, -1});
    return at::stack({by_head.select(1, 0), by_head.select(1, 2)});
  }
  return tensor;
}

class GoldenTrainRuns : public testing::TestWithParam<std::string> {
 protected:
  GoldenTrainRuns()
      : expected_(train_tensors(GetParam())),
        notes_(train_notes(GetParam())),
        model_(golden_own_model(notes_["model"])) {}

  LanguageTrainer trainer(const LanguageLossOptions& loss) {
    LanguageTrainerOptions options;
    options.loss = loss;
    options.clip = notes_["clip"];
    LanguageTrainer trainer(&model_, {"*"}, options);
    AdamOptions adam;
    adam.decoupled = true;
    adam.beta1 = notes_["betas"][0];
    adam.beta2 = notes_["betas"][1];
    adam.eps = notes_["eps"];
    adam.weight_decay = notes_["weight_decay"];
    auto optimizer = std::make_unique<Adam>(trainer.leaves(), adam);
    optimizer->set_rules(
        decay_rules(trainer.parameters(), parse_decay_rule(notes_["decay"].get<std::string>())));
    trainer.set_optimizer(std::move(optimizer));
    return trainer;
  }

  // The batches of an update.
  std::vector<data::Batch> parts(int64_t step) const {
    const int64_t batch = notes_["batch"], length = notes_["length"], n = notes_["accumulate"];
    const at::Tensor all = expected_.at("tokens").to(at::kLong).view({-1, batch, length});
    std::vector<data::Batch> result;
    for (int64_t k = 0; k < n; ++k) result.push_back(rows(all[step * n + k]));
    return result;
  }

  // Values of each parameter against "KIND.NAME" of the file.
  void expect_values(const std::string& kind, const LanguageTrainer& trainer,
                     const std::vector<at::Tensor>& values, bool absolute) {
    const Tensors found = under_hf_names(model_, names_of(trainer.parameters()), values);
    for (const auto& [key, wanted] : expected_) {
      if (key.rfind(kind + ".", 0) != 0) continue;
      const std::string name = key.substr(kind.size() + 1);
      const double tolerance = absolute ? kWeight : kMoment * wanted.abs().max().item<double>();
      EXPECT_LT(max_difference(without_key_bias(name, found.at(name), model_.config.n_heads),
                               without_key_bias(name, wanted, model_.config.n_heads)),
                tolerance)
          << key;
    }
  }

  void run(const LanguageLossOptions& loss) {
    LanguageTrainer trainer = this->trainer(loss);
    const Schedule schedule = schedule_of(notes_["schedule"]);
    for (int64_t step = 0; step < notes_["steps"].get<int64_t>(); ++step) {
      const double rate = notes_["lr"].get<double>() * rate_factor(schedule, step);
      EXPECT_NEAR(rate, notes_["lr_of_update"][step].get<double>(), 1e-12);
      const auto update = trainer.update(parts(step), rate);
      EXPECT_NEAR(update.sums.mean(), notes_["loss"][step].get<double>(), kLoss) << step;
      EXPECT_NEAR(update.gradient_norm, notes_["grad_norm_before_clip"][step].get<double>(), 1e-3)
          << step;
    }
    expect_values("final", trainer, trainer.leaves(), true);
    std::vector<at::Tensor> means, squares;
    const auto state = trainer.optimizer().state();
    for (size_t i = 0; i < trainer.leaves().size(); ++i) {
      means.push_back(state.at(std::to_string(i) + ".mean"));
      squares.push_back(state.at(std::to_string(i) + ".square"));
    }
    expect_values("exp_avg", trainer, means, false);
    expect_values("exp_avg_sq", trainer, squares, false);
  }

  Tensors expected_;
  nlohmann::json notes_;
  LoadedModel model_;
};

TEST_P(GoldenTrainRuns, GoTheSameWay) { run({}); }

TEST_P(GoldenTrainRuns, GoTheSameWayThroughCheckpoints) {
  LanguageLossOptions options;
  options.checkpoint = true;
  run(options);
}

TEST(GoldenTrainRunsFolder, HasRuns) {
  EXPECT_FALSE(train_cases("run").empty()) << golden_topic("train");
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenTrainRuns);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenTrainRuns, testing::ValuesIn(train_cases("run")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
