#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weir/rl/guards.h"
#include "weir/rl/objective/objective.h"
#include "weir/rl/phases.h"
#include "weir/rl/policy_trainer.h"
#include "weir/rl/question.h"
#include "weir/rl/rollout.h"
#include "weir/train/recipe.h"
#include "weir/train/training_run.h"

namespace weir::rl {

/// Reinforcement learning from rewards that can be checked, as a recipe describes it
/// (docs/methods/reinforcement-learning.md lists its keys). An update is a step: problems are
/// drawn, answered, judged, and the phase's policy is changed by one or several optimiser steps.
/// State and step say all of it, so that a killed training goes on to the same numbers.
///
/// The loss that is told is the objective's, which says little (0 at ratio 1); figures() has the
/// rewards. validate() is 1 - mean score of test problems.
class RlTraining final : public Trainee {
 public:
  using FindModel = std::function<std::filesystem::path(const std::string& name)>;

  /// Reads the whole recipe. `folder`: where samples/ goes, the first answers of each step.
  RlTraining(Recipe& recipe, std::filesystem::path folder, const FindModel& find);

  const TrainingRunOptions& options() const { return run_; }
  const std::vector<Phase>& phases() const { return phases_; }
  /// How `layer = "auto"` was decided; "" when nobody asked.
  const std::string& boundary_note() const { return boundary_note_; }

  Update update(int64_t step, double rate) override;
  std::vector<std::pair<std::string, double>> figures() const override { return figures_; }
  double validate() override;
  void save(const std::filesystem::path& folder) const override;
  void load(const std::filesystem::path& folder) override;
  void strip(const std::filesystem::path& folder) const override;

 private:
  /// The answers of a step with what they earned; rows of a group are neighbours.
  struct Answers {
    std::vector<std::vector<int64_t>> prompts;
    std::vector<Problem> problems;
    std::vector<Rollout> rollouts;
    std::vector<double> rewards;  ///< NaN: not judged.
    at::Tensor group() const;
  };
  Answers answer(const std::vector<Problem>& problems, const RolloutOptions& options,
                 RolloutTimes* times);
  Answers collect(int64_t step, RolloutTimes* times);
  /// To problems that no step trains on; `stream` tells draws for different uses apart.
  Answers held_answers(uint64_t stream);
  int64_t find_boundary_layer();
  void reset_optimizer();
  std::vector<bool> frozen_in(const Phase& phase) const;
  void apply_rates(const Phase& phase);
  void keep_held_answers();
  void watch(int64_t step);
  void write_samples(int64_t step, const Answers& answers) const;
  void note(const std::string& name, double value);

  std::filesystem::path folder_;
  std::optional<Tokenizer> tokenizer_;
  LoadedModel model_;
  std::string base_;
  std::shared_ptr<Lora> adapter_;
  LanguageTrainerOptions trainer_options_;
  LanguageTrainer holder_;
  PolicyTrainer trainer_;
  Task task_;
  RolloutOptions rollout_;
  ObjectiveOptions objective_;
  std::string boundary_note_;
  std::vector<Phase> phases_;
  GuardWatch guards_;
  TrainingRunOptions run_;
  std::vector<ParameterRule> rules_;
  std::vector<int64_t> end_tokens_;
  std::optional<LoadedModel> reference_;  ///< Frozen, for a KL penalty.
  uint64_t seed_ = 0;
  int64_t prompts_ = 8, minibatches_ = 1, epochs_ = 1, rows_ = 16, attempts_ = 0;
  int64_t overlong_cache_ = 0, test_problems_ = 32, test_n_ = 4, monitor_every_ = 0, samples_ = 4;
  double overlong_penalty_ = 1;

  // State beyond weights and optimiser.
  int64_t cursor_ = 0;    ///< Training problems used so far.
  size_t floor_ = 0;      ///< Phases that guards ended.
  double cut_share_ = 0;  ///< Of the last answers, those that reached the token limit.
  std::vector<std::pair<std::string, double>> figures_;
  RolloutBatch held_;             ///< Answers from before the training; undefined: no guard.
  std::vector<at::Tensor> good_;  ///< Weights of the last good measurement, for rollback.
};

}  // namespace weir::rl
