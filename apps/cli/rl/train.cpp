#include <memory>

#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/rl/rl_verbs.h"
#include "apps/cli/training_verb.h"
#include "weir/base/error.h"
#include "weir/rl/rl_training.h"
#include "weir/store/model_store.h"

namespace weir::cli {
namespace {

Report outcome_report(const rl::RlTraining& training, const TrainingOutcome& outcome,
                      const RunDirectory& directory) {
  TableBlock table{"Training", {"what", "value"}, {}, ""};
  table.rows = {{std::string("steps"), outcome.steps},
                {std::string("tokens sampled"), outcome.units},
                {std::string("mean score of test problems"), 1 - outcome.validation_loss},
                {std::string("seconds"), outcome.seconds}};
  for (const auto& [name, value] : training.figures()) {
    if (name == "mean/reward")
      table.rows.push_back({std::string("reward of the last step"), value});
  }
  table.note = "model: " + directory.checkpoint(outcome.steps).string();
  Report report{"Training by rewards", plain_provenance(), {std::move(table)}};
  if (!training.boundary_note().empty()) {
    report.blocks.emplace_back(TextBlock{"Boundary layer", training.boundary_note()});
  }
  return report;
}

void train(const TrainingVerb& verb) {
  run_training_verb(verb, [&](Recipe& recipe, RunDirectory& directory,
                              const std::shared_ptr<ProcessGroup>& group) {
    require(!group, "rl train: expected one process (with --threads), not several");
    rl::RlTraining training(recipe, directory.path(), resolve_model);
    begin_training(verb, recipe, directory, group);
    const TrainingOutcome outcome =
        run_training(training, directory, told(training.options(), recipe.name()));
    nlohmann::ordered_json figures;
    for (const auto& [name, value] : training.figures()) figures[name] = value;
    show(outcome_report(training, outcome, directory), verb.output,
         {{"steps", outcome.steps},
          {"tokens", outcome.units},
          {"test_score", 1 - outcome.validation_loss},
          {"seconds", outcome.seconds},
          {"boundary", training.boundary_note()},
          {"last", figures},
          {"checkpoint", directory.checkpoint(outcome.steps).string()}});
  });
}

}  // namespace

void add_rl_train(Verb& rl) {
  auto options = std::make_shared<TrainingVerb>();
  Verb& verb = rl.verb(
      {"train",
       "trains a model by rewards: GRPO and relatives, internal policies, BuPO",
       "A recipe is a TOML file (docs/methods/reinforcement-learning.md). DIR gets recipe.toml, "
       "metrics.jsonl with a line a step, samples/, checkpoints that Hugging Face's tools load, "
       "report.html with the curves (open it while it runs) and result.json. The objective says "
       "little: watch the reward. Ctrl-C saves first; --resume goes on to the same numbers.",
       {"weir rl train recipes/smollm2-arith.toml --out arith",
        "weir rl train recipes/smollm2-arith.toml --out grpo --set 'phases={}' --set run.seed=1",
        "weir rl train --resume arith"}});
  add_training_options(verb, *options);
  verb.run([options] { train(*options); });
}

}  // namespace weir::cli
