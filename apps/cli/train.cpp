#include <memory>

#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/training_verb.h"
#include "apps/cli/verbs.h"
#include "weir/pretrain/language_training.h"
#include "weir/store/model_store.h"

namespace weir::cli {
namespace {

Report outcome_report(const TrainingOutcome& outcome, const RunDirectory& directory) {
  TableBlock table{"Training", {"what", "value"}, {}, ""};
  table.rows = {{std::string("updates"), outcome.steps},
                {std::string("tokens"), outcome.units},
                {std::string("loss of the last updates (nats)"), outcome.loss},
                {std::string("held-out loss (nats)"), outcome.validation_loss},
                {std::string("seconds"), outcome.seconds}};
  table.note = "model: " + directory.checkpoint(outcome.steps).string();
  return {"Training", plain_provenance(), {std::move(table)}};
}

void train(const TrainingVerb& verb) {
  run_training_verb(verb, [&](Recipe& recipe, RunDirectory& directory,
                              const std::shared_ptr<ProcessGroup>& group) {
    LanguageTraining training(recipe, directory.data(), resolve_model, group);
    begin_training(verb, recipe, directory, group);
    const TrainingOutcome outcome =
        run_training(training, directory, told(training.options(), recipe.name()));
    if (!directory.is_writer()) return;
    show(outcome_report(outcome, directory), verb.output,
         {{"steps", outcome.steps},
          {"tokens", outcome.units},
          {"loss", outcome.loss},
          {"validation_loss", outcome.validation_loss},
          {"seconds", outcome.seconds},
          {"checkpoint", directory.checkpoint(outcome.steps).string()}});
  });
}

}  // namespace

void add_train(Verb& weir) {
  auto options = std::make_shared<TrainingVerb>();
  Verb& verb = weir.verb(
      Heading::kMake,
      {"train",
       "trains a language model, from scratch or further",
       "A recipe is a TOML file (docs/methods/training.md); DIR gets recipe.toml, metrics.jsonl, "
       "checkpoints that Hugging Face's tools load, report.html with the curves (open it while it "
       "runs) and result.json. Ctrl-C saves first. --resume goes on from the last checkpoint, to "
       "the same numbers on as many threads. Started by torchrun, the processes share each update.",
       {"weir train recipes/tiny.toml --out tiny",
        "weir train recipes/tiny.toml --out tiny2 --set optimizer.rate=1e-3 --set train.steps=50",
        "weir train --resume tiny"}});
  add_training_options(verb, *options);
  verb.run([options] { train(*options); });
}

}  // namespace weir::cli
