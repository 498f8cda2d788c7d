#include "apps/cli/training_verb.h"

#include <filesystem>

#include <ATen/Parallel.h>

#include "apps/cli/command.h"
#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/parallel.h"
#include "weir/base/paths.h"
#include "weir/base/progress.h"
#include "weir/pretrain/flops.h"
#include "weir/tensor/threads.h"

namespace weir::cli {
namespace {

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

Recipe recipe_of(const TrainingVerb& verb, const RunDirectory& directory) {
  const bool is_new = verb.resume.empty() && directory.is_writer();
  Recipe recipe = Recipe::read(is_new ? std::filesystem::path(*verb.recipe) : directory.recipe());
  if (!is_new) return recipe;
  for (const std::string& setting : verb.settings) recipe.set(setting);
  return recipe;
}

}  // namespace

TrainingRunOptions told(TrainingRunOptions options, const std::string& recipe) {
  options.peak_flops = product_speed();
  options.provenance = plain_provenance();
  options.provenance.threads = at::get_num_threads();
  options.provenance.extra = {{"recipe", recipe}};
  options.before_last_save = [] { forget_ctrl_c(); };
  return options;
}

void begin_training(const TrainingVerb& verb, const Recipe& recipe, RunDirectory& directory,
                    const std::shared_ptr<ProcessGroup>& group) {
  recipe.finish();
  if (verb.resume.empty() && directory.is_writer()) directory.begin(recipe.merged());
  if (group && directory.is_writer()) group->barrier();  // The others may read now.
}

void run_training_verb(const TrainingVerb& verb, const RunRecipe& run) {
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
    Recipe recipe = recipe_of(verb, directory);
    return run(recipe, directory, group);
  }
  RunDirectory directory =
      verb.resume.empty() ? RunDirectory::create(folder) : RunDirectory::open(folder);
  try {
    Recipe recipe = recipe_of(verb, directory);
    run(recipe, directory, group);
  } catch (...) {
    if (!std::filesystem::exists(directory.recipe())) directory.discard();
    throw;
  }
}

void add_training_options(Verb& verb, TrainingVerb& options) {
  verb.argument("RECIPE", &options.recipe, "A TOML file");
  verb.option("--out", &options.out, "DIR", "A new folder for everything that is made")
      .option("--resume", &options.resume, "DIR", "Go on with the training in that folder")
      .texts("--set", &options.settings, "KEY=VALUE", "A key of the recipe, such as train.steps=50")
      .option("--threads", &options.threads, "N", "Threads; 0: every CPU the process may use",
              {0, most_threads()});
  add_output_options(verb, options.output);
}

}  // namespace weir::cli
