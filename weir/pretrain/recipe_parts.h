#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "weir/model/loader.h"
#include "weir/pretrain/trainer.h"
#include "weir/text/tokenizer.h"
#include "weir/train/recipe.h"

/// Parts of a training, each from its keys of a recipe (docs/methods/training.md lists them all).
namespace weir {

/// A new model of `model.config`: a table of config.json's keys, or the path of such a file, with
/// initial values (model/initial_weights.h) by `model.seed`. vocab_size and the ids that begin and
/// end a text are the tokenizer's where the config does not say them.
LoadedModel new_model(Recipe& recipe, int64_t vocab_size,
                      const std::optional<Tokenizer>& tokenizer);

/// `lora.*`; null when lora.rank is 0 or not given.
std::shared_ptr<Lora> make_lora(Recipe& recipe, const LoadedModel& model);

/// `optimizer.*` over the trainer's leaves, with its rules of decay.
std::unique_ptr<Optimizer> make_optimizer(Recipe& recipe, const LanguageTrainer& trainer);

/// `train.compute`, `train.label_smoothing`, `train.z_loss`, `train.checkpoint`, `optimizer.clip`.
LanguageTrainerOptions trainer_options(Recipe& recipe);

}  // namespace weir
