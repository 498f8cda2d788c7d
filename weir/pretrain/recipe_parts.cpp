#include "weir/pretrain/recipe_parts.h"

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/model/initial_weights.h"
#include "weir/pretrain/parameter_groups.h"
#include "weir/tensor/convert.h"
#include "weir/train/adam.h"
#include "weir/train/checkpoint_steps.h"
#include "weir/train/muon.h"

namespace weir {
namespace {

using nlohmann::json;

json config_of(Recipe& recipe) {
  const std::vector<std::filesystem::path> file = recipe.paths("model.config_file");
  if (!file.empty()) return io::read_json(file[0]);
  const json config = recipe.table("model.config");
  require(!config.empty(),
          "{}: expected a table [model.config], model.config_file or model.from, found none",
          recipe.name());
  return config;
}

AdamOptions adam_options(Recipe& recipe, bool decoupled) {
  const std::vector<double> betas = recipe.numbers("optimizer.betas", {0.9, 0.95});
  require(betas.size() == 2 && betas[0] >= 0 && betas[0] < 1 && betas[1] >= 0 && betas[1] < 1,
          "{}: optimizer.betas: expected two numbers from 0 to below 1", recipe.name());
  AdamOptions adam;
  adam.beta1 = betas[0];
  adam.beta2 = betas[1];
  adam.eps = recipe.number("optimizer.eps", adam.eps);
  adam.weight_decay = recipe.number("optimizer.weight_decay", 0.1);
  adam.amsgrad = recipe.flag("optimizer.amsgrad", false);
  adam.decoupled = decoupled;
  return adam;
}

}  // namespace

LoadedModel new_model(Recipe& recipe, int64_t vocab_size,
                      const std::optional<Tokenizer>& tokenizer) {
  json config = config_of(recipe);
  if (!config.contains("vocab_size")) config["vocab_size"] = vocab_size;
  if (tokenizer) {
    const SpecialIds& special = tokenizer->special();
    const std::optional<int64_t> end = special.eos, begin = special.bos ? special.bos : end;
    if (end && !config.contains("eos_token_id")) config["eos_token_id"] = *end;
    if (begin && !config.contains("bos_token_id")) config["bos_token_id"] = *begin;
  }
  return initial_weights(config, static_cast<uint64_t>(recipe.integer("model.seed", 0)));
}

std::unique_ptr<Optimizer> make_optimizer(Recipe& recipe, const LanguageTrainer& trainer) {
  const std::string kind = recipe.text("optimizer.kind", "adamw");
  std::unique_ptr<Optimizer> made;
  if (kind == "adamw" || kind == "adam") {
    made = std::make_unique<Adam>(trainer.leaves(), adam_options(recipe, kind == "adamw"));
  } else if (kind == "muon") {
    MuonOptions muon;
    muon.momentum = recipe.number("optimizer.momentum", muon.momentum, 0, 1);
    muon.nesterov = recipe.flag("optimizer.nesterov", muon.nesterov);
    muon.adam = adam_options(recipe, true);
    muon.weight_decay = muon.adam.weight_decay;
    muon.adam_rate = recipe.number("optimizer.adam_rate", muon.adam_rate);
    const std::vector<bool> hidden = trainer.parameters().empty()
                                         ? std::vector<bool>(trainer.leaves().size(), true)
                                         : hidden_matrices(trainer.parameters());
    made = std::make_unique<Muon>(trainer.leaves(), hidden, muon);
  } else if (kind == "sgd") {
    SgdOptions sgd;
    sgd.momentum = recipe.number("optimizer.momentum", 0.9, 0, 1);
    sgd.nesterov = recipe.flag("optimizer.nesterov", false);
    sgd.weight_decay = recipe.number("optimizer.weight_decay", 0);
    made = std::make_unique<Sgd>(trainer.leaves(), sgd);
  } else {
    fail(ErrorCode::kInvalidArgument,
         "{}: optimizer.kind: expected adamw, adam, muon or sgd, found '{}'", recipe.name(), kind);
  }
  // So that another kind can be tried without taking these out.
  for (const char* key : {"betas", "eps", "amsgrad", "momentum", "nesterov", "adam_rate"}) {
    recipe.leave(std::string("optimizer.") + key);
  }
  const DecayRule rule = parse_decay_rule(recipe.text("optimizer.decay", "matrices"));
  if (!trainer.parameters().empty()) made->set_rules(decay_rules(trainer.parameters(), rule));
  return made;
}

std::shared_ptr<Lora> make_lora(Recipe& recipe, const LoadedModel& model) {
  LoraOptions options;
  options.rank = recipe.integer("lora.rank", 0, 0, 4096);
  if (options.rank == 0) {
    recipe.leave("lora");
    return nullptr;
  }
  options.alpha = recipe.number("lora.alpha", options.alpha);
  options.targets = recipe.texts("lora.targets", {});
  options.seed = static_cast<uint64_t>(recipe.integer("lora.seed", 0));
  return std::make_shared<Lora>(model, options);
}

LanguageTrainerOptions trainer_options(Recipe& recipe) {
  LanguageTrainerOptions options;
  options.compute = parse_dtype(recipe.text("train.compute", "float32"));
  options.loss.label_smoothing = recipe.number("train.label_smoothing", 0, 0, 1);
  options.loss.z_loss = recipe.number("train.z_loss", 0);
  options.loss.checkpoint = recipe.flag("train.checkpoint", false);
  options.clip = recipe.number("optimizer.clip", 1);
  return options;
}

}  // namespace weir
