#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/sae/kinds/sae_config.h"
#include "weir/sae/training/settings.h"
#include "weir/train/recipe.h"

namespace weir {

/// What is trained and how.
struct SaeTrainingPlan {
  SaeConfig config;
  SaeTrainingSettings settings;
};

/// Trainers under their names, as released: dictionary_learning 0.1.0 ("dictionary_learning/topk"),
/// sae-lens 6.54 ("saelens/topk"), sparsify 1.3 ("sparsify/topk"), OpenAI's, the attention SAEs'
/// script, the vSAE authors' ("vsae/topk"); "vsae/paper" as the paper states it; "weir/topk" and
/// "weir/vsae_topk" are ours. Sizes, k and coefficients are left to whoever asks, where these
/// trainers leave them so. kNotFound with the nearest names.
SaeTrainingPlan training_preset(std::string_view name);
std::vector<std::string> training_presets();

/// The keys below `prefix` ("" or "sae.NAME"): `preset` and what departs from it.
/// docs/methods/saes.md lists them. kInvalidArgument for values that cannot be.
SaeTrainingPlan read_training_plan(Recipe& recipe, const std::string& prefix);

}  // namespace weir
