#include "weir/pretrain/language_training.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/lm/language_model.h"
#include "weir/model/convert.h"
#include "weir/model/own.h"
#include "weir/pretrain/flops.h"
#include "weir/pretrain/recipe_parts.h"
#include "weir/train/run_options.h"
#include "weir/train/state_file.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr const char* kState = "training.safetensors";

std::optional<Tokenizer> tokenizer_of(const fs::path& from) {
  if (from.empty()) return std::nullopt;
  return load_tokenizer(from);
}

LoadedModel starting_model(Recipe& recipe, const fs::path& from, const TrainingCorpus& corpus) {
  if (from.empty()) return new_model(recipe, corpus.vocab_size, corpus.tokenizer);
  for (const char* key : {"model.config", "model.config_file", "model.seed", "tokenizer"}) {
    recipe.leave(key);
  }
  const LoadedModel loaded = load_model(from);
  const std::string type = loaded.weights.W_E.dtype_name();
  if (type != "F32") log::info("{}: {} weights become float32 to be trained", from.string(), type);
  return own(loaded);
}

LanguageTrainer make_trainer(Recipe& recipe, LoadedModel* model,
                             const std::shared_ptr<Lora>& adapter,
                             const std::shared_ptr<ProcessGroup>& group) {
  LanguageTrainerOptions options = trainer_options(recipe);
  options.group = group;
  if (adapter) {
    recipe.leave("train.parameters");
    return LanguageTrainer(model, adapter, options);
  }
  return LanguageTrainer(model, recipe.texts("train.parameters", {"*"}), options);
}

// The model with the adapter's changes in it.
LoadedModel merged(const LoadedModel& model, const Lora& adapter) {
  const at::NoGradGuard no_grad;
  LoadedModel result = model;
  result.weights = adapter.applied(model.weights, model.config);
  return result;
}

fs::path from_of(Recipe& recipe, const LanguageTraining::FindModel& find) {
  const std::string name = recipe.text("model.from", "");
  return name.empty() ? fs::path() : find(name);
}

}  // namespace

LanguageTraining::LanguageTraining(Recipe& recipe, const fs::path& folder, const FindModel& find,
                                   std::shared_ptr<ProcessGroup> group)
    : LanguageTraining(recipe, folder, from_of(recipe, find), std::move(group)) {}

LanguageTraining::LanguageTraining(Recipe& recipe, const fs::path& folder, const fs::path& from,
                                   std::shared_ptr<ProcessGroup> group)
    : group_(std::move(group)),
      corpus_(open_corpus(recipe, folder, tokenizer_of(from))),
      model_(starting_model(recipe, from, corpus_)),
      base_(recipe.text("model.from", "")),
      adapter_(make_lora(recipe, model_)),
      merges_(adapter_ != nullptr && recipe.flag("lora.merge", false)),
      trainer_(make_trainer(recipe, &model_, adapter_, group_)),
      run_(run_options(recipe)),
      batch_(recipe.integer("train.batch", 8, 1)),
      n_parts_(recipe.integer("train.accumulate", 1, 1)),
      validation_rows_(recipe.integer("run.validation_rows", 64)) {
  trainer_.set_optimizer(make_optimizer(recipe, trainer_));
  require(corpus_.vocab_size <= model_.config.d_vocab, "{}: the corpus has {} tokens, the model {}",
          recipe.name(), corpus_.vocab_size, model_.config.d_vocab);
  const int64_t length = corpus_.training->options().length;
  require(model_.config.position != PositionKind::kLearned || length <= model_.config.n_ctx + 1,
          "{}: data.length is {}, but the model has {} positions", recipe.name(), length,
          model_.config.n_ctx);
  run_.flops_per_unit = training_flops_per_token(model_.weights, model_.config, length);
}

Trainee::Update LanguageTraining::update(int64_t step, double rate) {
  std::vector<data::Batch> parts;
  const int64_t rank = group_ ? group_->rank() : 0, size = group_ ? group_->size() : 1;
  for (int64_t i = 0; i < n_parts_; ++i) {
    const int64_t part = (step * n_parts_ + i) * size + rank;
    parts.push_back(corpus_.training->batch(part * batch_, batch_));
  }
  const LanguageTrainer::Update done = trainer_.update(parts, rate);
  return {done.sums.mean(), done.gradient_norm,
          size * n_parts_ * batch_ * corpus_.training->options().length};
}

double LanguageTraining::validate() {
  if (group_ && group_->rank() > 0) return NAN;  // Process 0 alone tells it.
  LanguageLoss sums;
  for (const data::TokenRows& rows : corpus_.held_out) {
    const int64_t most = validation_rows_ > 0 ? validation_rows_ : rows.n_rows();
    for (int64_t first = 0; first < std::min(most, rows.n_rows()); first += batch_) {
      const int64_t n = std::min(batch_, std::min(most, rows.n_rows()) - first);
      sums += trainer_.loss(rows.batch(first, n));
    }
  }
  return sums.n_counted > 0 ? sums.mean() : NAN;
}

void LanguageTraining::save(const fs::path& folder) const {
  if (adapter_) {
    adapter_->save(folder, base_);
    if (merges_) save_hf(merged(model_, *adapter_), folder / "merged", with_tokenizer());
    if (corpus_.tokenizer) corpus_.tokenizer->save(folder);
  } else {
    save_hf(model_, folder, with_tokenizer());
  }
  save_state({trainer_.optimizer().state(), {}}, folder / kState);
}

SaveOptions LanguageTraining::with_tokenizer() const {
  SaveOptions options;
  options.also = [this](const fs::path& into) {
    if (corpus_.tokenizer) corpus_.tokenizer->save(into);
  };
  return options;
}

void LanguageTraining::load(const fs::path& folder) {
  if (adapter_) {
    adapter_->load(folder);
  } else {
    load_weights(folder);
  }
  trainer_.optimizer().load_state(read_state(folder / kState).tensors);
}

void LanguageTraining::load_weights(const fs::path& folder) {
  const at::NoGradGuard no_grad;
  LoadedModel saved = load_model(folder);
  const std::vector<Parameter> values = parameters(saved.weights, saved.config),
                               own = parameters(model_.weights, model_.config);
  require(values.size() == own.size(), "{}: a checkpoint of another model", folder.string());
  for (size_t i = 0; i < own.size(); ++i) {
    require(values[i].name == own[i].name && values[i].held().sizes() == own[i].held().sizes(),
            "{}: '{}' is another one than in the recipe's model", folder.string(), own[i].name);
    own[i].held().detach().copy_(values[i].held());
  }
}

void LanguageTraining::strip(const fs::path& folder) const {
  std::error_code ignored;
  fs::remove(folder / kState, ignored);
}

}  // namespace weir
