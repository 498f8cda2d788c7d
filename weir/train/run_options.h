#pragma once

#include "weir/train/recipe.h"
#include "weir/train/training_run.h"

namespace weir {

/// `train.steps`, `optimizer.rate`, `schedule.*` and `run.*` of any training's recipe.
TrainingRunOptions run_options(Recipe& recipe);

}  // namespace weir
