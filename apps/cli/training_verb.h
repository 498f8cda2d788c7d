#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/output.h"
#include "apps/cli/verb.h"
#include "weir/train/process_group.h"
#include "weir/train/recipe.h"
#include "weir/train/run_directory.h"
#include "weir/train/training_run.h"

/// What the verbs share that train something: RECIPE.toml --out DIR, or --resume DIR.
namespace weir::cli {

struct TrainingVerb {
  std::optional<std::string> recipe;
  std::string out, resume;
  std::vector<std::string> settings;
  int threads = 0;
  OutputOptions output;
};
/// RECIPE, --out, --resume, --set, --threads and the options of output.
void add_training_options(Verb& verb, TrainingVerb& options);

/// Opens or joins the run's folder and calls `run` with the recipe; a folder whose training never
/// began is removed. `group`: of the processes that a launcher started together; null: alone.
using RunRecipe = std::function<void(Recipe& recipe, RunDirectory& directory,
                                     const std::shared_ptr<ProcessGroup>& group)>;
void run_training_verb(const TrainingVerb& verb, const RunRecipe& run);

/// Between reading the recipe and training: notes what was read, lets the others begin.
void begin_training(const TrainingVerb& verb, const Recipe& recipe, RunDirectory& directory,
                    const std::shared_ptr<ProcessGroup>& group);
/// The same options with what this machine can do and where the recipe lies.
TrainingRunOptions told(TrainingRunOptions options, const std::string& recipe);

}  // namespace weir::cli
