#include <filesystem>
#include <memory>
#include <optional>

#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/parallel.h"
#include "weir/base/paths.h"
#include "weir/base/progress.h"
#include "weir/pretrain/flops.h"
#include "weir/pretrain/language_training.h"
#include "weir/store/model_store.h"
#include "weir/tensor/threads.h"

namespace weir::cli {
namespace {

struct TrainVerb {
  std::optional<std::string> recipe;
  std::string out, resume;
  std::vector<std::string> settings;
  int threads = 0;
  OutputOptions output;
};

// What torchrun and its like put into the environment; null for a process alone.
std::shared_ptr<ProcessGroup> group_of_environment() {
  const auto number = [](const char* name, int otherwise) {
    const auto text = environment(name);
    if (!text) return otherwise;
    try {
      return std::stoi(*text);
    } catch (const std::exception&) {
      fail(ErrorCode::kInvalidArgument, "{}: expected a number, found '{}'", name, *text);
    }
  };
  ProcessGroupOptions options;
  options.size = number("WORLD_SIZE", 1);
  if (options.size == 1) return nullptr;
  options.rank = number("RANK", 0);
  options.port = number("MASTER_PORT", options.port);
  options.address = environment("MASTER_ADDR").value_or(options.address);
  options.hosts_store = environment("TORCHELASTIC_USE_AGENT_STORE").value_or("") != "True";
  return ProcessGroup::connect(options);
}

Recipe recipe_of(const TrainVerb& verb, const RunDirectory& directory) {
  const bool is_new = verb.resume.empty() && directory.is_writer();
  Recipe recipe = Recipe::read(is_new ? std::filesystem::path(*verb.recipe) : directory.recipe());
  if (!is_new) return recipe;
  for (const std::string& setting : verb.settings) recipe.set(setting);
  return recipe;
}

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

TrainingRunOptions told(TrainingRunOptions options, const std::string& recipe) {
  options.peak_flops = product_speed();
  options.provenance = plain_provenance();
  options.provenance.threads = at::get_num_threads();
  options.provenance.extra = {{"recipe", recipe}};
  options.before_last_save = [] { forget_ctrl_c(); };
  return options;
}

void run(const TrainVerb& verb, RunDirectory& directory,
         const std::shared_ptr<ProcessGroup>& group) {
  Recipe recipe = recipe_of(verb, directory);
  LanguageTraining training(recipe, directory.data(), resolve_model, group);
  recipe.finish();
  if (verb.resume.empty() && directory.is_writer()) directory.begin(recipe.merged());
  if (group && directory.is_writer()) group->barrier();  // The others may read now.
  const TrainingRunOptions options = told(training.options(), recipe.name());
  const TrainingOutcome outcome = run_training(training, directory, options);
  if (!directory.is_writer()) return;
  show(outcome_report(outcome, directory), verb.output,
       {{"steps", outcome.steps},
        {"tokens", outcome.units},
        {"loss", outcome.loss},
        {"validation_loss", outcome.validation_loss},
        {"seconds", outcome.seconds},
        {"checkpoint", directory.checkpoint(outcome.steps).string()}});
}

void train(const TrainVerb& verb) {
  require_usage(
      verb.resume.empty() == verb.recipe.has_value() && verb.resume.empty() != verb.out.empty(),
      "expected RECIPE.toml with --out DIR, or --resume DIR alone");
  require_usage(verb.resume.empty() || verb.settings.empty(),
                "--set: a resumed training keeps its recipe");
  set_threads(verb.threads);
  const std::shared_ptr<ProcessGroup> group = group_of_environment();
  set_progress_enabled(!verb.output.quiet && (!group || group->rank() == 0));
  const std::string& folder = verb.resume.empty() ? verb.out : verb.resume;
  if (group && group->rank() > 0) {
    group->barrier();
    RunDirectory directory = RunDirectory::join(folder);
    return run(verb, directory, group);
  }
  RunDirectory directory =
      verb.resume.empty() ? RunDirectory::create(folder) : RunDirectory::open(folder);
  try {
    run(verb, directory, group);
  } catch (...) {
    if (!std::filesystem::exists(directory.recipe())) directory.discard();
    throw;
  }
}

}  // namespace

void add_train(Verb& weir) {
  auto options = std::make_shared<TrainVerb>();
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
  verb.argument("RECIPE", &options->recipe, "A TOML file");
  verb.option("--out", &options->out, "DIR", "A new folder for everything that is made")
      .option("--resume", &options->resume, "DIR", "Go on with the training in that folder")
      .texts("--set", &options->settings, "KEY=VALUE",
             "A key of the recipe, such as train.steps=50")
      .option("--threads", &options->threads, "N", "Threads; 0: every CPU the process may use",
              {0, most_threads()});
  add_output_options(verb, options->output);
  verb.run([options] { train(*options); });
}

}  // namespace weir::cli
