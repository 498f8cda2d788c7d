#include "weir/train/run_options.h"

#include "weir/train/checkpoint_steps.h"

namespace weir {
namespace {

Schedule schedule_of(Recipe& recipe, int64_t steps) {
  Schedule schedule;
  schedule.kind = parse_schedule(recipe.text("schedule.kind", "cosine"));
  schedule.warmup = recipe.integer("schedule.warmup", steps / 50);
  schedule.total = recipe.integer("schedule.total", steps, 1);
  schedule.least = recipe.number("schedule.least", 0.1, 0, 1);
  schedule.power = recipe.number("schedule.power", 1);
  schedule.cycles = recipe.integer("schedule.cycles", 1, 1);
  schedule.decay = recipe.integer("schedule.decay", steps / 5);
  schedule.decay_shape = parse_decay_shape(recipe.text("schedule.decay_shape", "1-sqrt"));
  return schedule;
}

}  // namespace

TrainingRunOptions run_options(Recipe& recipe) {
  TrainingRunOptions run;
  run.steps = recipe.integer("train.steps", 1000, 1);
  run.rate = recipe.number("optimizer.rate", 3e-4);
  run.schedule = schedule_of(recipe, run.steps);
  run.validate_every = recipe.integer("run.validate_every", 0);
  run.checkpoint_every = recipe.integer("run.checkpoint_every", 200);
  run.kept = log_spaced_steps(run.steps, recipe.integer("run.kept_per_octave", 0, 0, 64));
  run.divergence.rise = recipe.number("run.divergence_rise", run.divergence.rise);
  run.divergence.patience = recipe.integer("run.divergence_patience", run.divergence.patience, 1);
  run.title = recipe.text("run.title", "Training");
  return run;
}

}  // namespace weir
