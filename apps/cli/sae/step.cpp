#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/sae/sae_verbs.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/sae/kinds/sae_kind.h"
#include "weir/sae/training/peer_names.h"
#include "weir/sae/training/presets.h"
#include "weir/sae/training/sae_trainer.h"
#include "weir/tensor/convert.h"
#include "weir/tensor/threads.h"
#include "weir/train/state_file.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;
using Tensors = std::map<std::string, at::Tensor>;

struct StepVerb {
  std::string config, weights, batch, target, noise, since_fired, save;
  OutputOptions output;
};

// FILE:KEY, of which KEY may hold colons and FILE may not.
std::pair<std::string, std::string> file_and_key(const std::string& place) {
  const size_t colon = place.find(':');
  return {place.substr(0, colon), colon == std::string::npos ? "" : place.substr(colon + 1)};
}

Tensors read_tensors(const std::string& file) {
  Tensors found;
  for (const io::TensorView& view : io::read_safetensors(file).tensors) {
    found[view.name] = to_tensor(view);
  }
  return found;
}

at::Tensor read_tensor(const std::string& place, at::ScalarType dtype) {
  if (place.empty()) return {};
  const auto [file, key] = file_and_key(place);
  const Tensors all = read_tensors(file);
  const auto found = all.find(key);
  require(found != all.end(), "{}: expected FILE:KEY, and the file has no tensor '{}'", place, key);
  return found->second.to(dtype).contiguous();
}

// Weights as given: by name, without PREFIX of FILE:PREFIX.
Tensors given_weights(const std::string& place, at::ScalarType dtype) {
  const auto [file, prefix] = file_and_key(place);
  Tensors found;
  for (const auto& [name, tensor] : read_tensors(file)) {
    if (name.rfind(prefix, 0) != 0 || !tensor.is_floating_point()) continue;
    const std::string rest = name.substr(prefix.size());
    if (!weir_name(rest).name.empty()) found[rest] = tensor.to(dtype);
  }
  require(!found.empty(), "{}: no weights of a dictionary whose names begin with '{}'", file,
          prefix);
  return found;
}

// Only what the kind has: a file may carry more.
Sae make_sae(SaeConfig config, const Tensors& given) {
  Sae sae;
  const Tensors own = from_peer_names(given);
  const auto encoder = own.find("W_enc"), decoder = own.find("W_dec");
  require(encoder != own.end() && decoder != own.end(), "expected weights W_enc and W_dec");
  config.d_in = encoder->second.size(-2);
  config.d_sae = encoder->second.size(-1);
  config.d_out = decoder->second.size(-1);
  if (encoder->second.dim() == 3) config.n_sources = encoder->second.size(0);
  sae.config = config;
  for (const SaeWeightSpec& spec : find_sae_kind(config.kind).weights(config)) {
    const auto found = own.find(spec.name);
    if (found != own.end()) sae.weights[spec.name] = found->second;
  }
  if (own.count("W_skip") > 0) sae.weights["W_skip"] = own.at("W_skip");
  return sae;
}

struct StepPlan {
  SaeTrainingPlan plan;
  int64_t step = 0;
  double rate = 0;
  SaeTrainerOptions options;
  at::ScalarType dtype = at::kDouble;
};

StepPlan read_config(const std::string& file) {
  Recipe recipe(io::read_json(file), std::filesystem::absolute(file).parent_path(), file);
  StepPlan read;
  read.plan = read_training_plan(recipe, "");
  read.step = recipe.integer("step", 0);
  read.rate = recipe.number("rate", 1e-3);
  read.dtype = parse_dtype(recipe.text("dtype", "float64"));
  read.options.seed = static_cast<uint64_t>(recipe.integer("seed", 0));
  read.options.keeps_tensors = true;
  const std::string engine = recipe.text("engine", "auto");
  require(engine == "auto" || engine == "dense" || engine == "sparse",
          "{}: engine: expected auto, dense or sparse, found \"{}\"", file, engine);
  if (engine == "dense") read.options.engine = SaeEngine::kDense;
  if (engine == "sparse") read.options.engine = SaeEngine::kSparse;
  recipe.finish();
  return read;
}

// Under the names and in the orientation in which the weights came.
void put(const std::string& prefix, const Tensors& own, const Tensors& given, Tensors* out) {
  for (const auto& [name, tensor] : given) {
    const PeerName is = weir_name(name);
    const auto found = own.find(is.name);
    if (found == own.end()) continue;
    (*out)[prefix + name] =
        (is.is_transposed ? found->second.t() : found->second).clone(at::MemoryFormat::Contiguous);
  }
}

ordered_json outcome_json(const SaeStep& step, const SaeTrainer& trainer) {
  ordered_json terms = ordered_json::object();
  for (const LossTerm& term : step.found.terms) {
    terms[term.name] = {{"value", term.value}, {"weight", term.weight}};
  }
  return {{"loss", step.found.loss},
          {"terms", terms},
          {"gradient_norm", step.gradient_norm},
          {"dead", step.n_dead},
          {"l0", step.found.l0},
          {"explained_variance", step.found.explained_variance},
          {"threshold", trainer.threshold()},
          {"p", trainer.anneal().p()},
          {"sparsity_coefficient", trainer.anneal().coefficient()}};
}

Report outcome_report(const SaeStep& step) {
  TableBlock table{"Loss", {"term", "value", "weight"}, {}, ""};
  for (const LossTerm& term : step.found.terms) {
    table.rows.push_back({term.name, term.value, term.weight});
  }
  table.rows.push_back({std::string("loss"), step.found.loss, 1.0});
  return {"One step", plain_provenance(), {std::move(table)}};
}

void step_verb(const StepVerb& verb) {
  const StepPlan read = read_config(verb.config);
  const Tensors given = given_weights(verb.weights, read.dtype);
  SaeTrainer trainer(make_sae(read.plan.config, given), read.plan.settings, read.options);
  if (!verb.since_fired.empty()) {
    trainer.dead().set_since_fired(read_tensor(verb.since_fired, at::kLong));
  }
  at::Tensor x = read_tensor(verb.batch, read.dtype), y = read_tensor(verb.target, read.dtype);
  at::Tensor noise = read_tensor(verb.noise, read.dtype);
  const bool is_series = x.dim() == 3 && trainer.sae().config.n_sources == 1;
  const int64_t n = is_series ? x.size(0) : 1;
  const auto at_step = [&](const at::Tensor& all, int64_t i) {
    if (!all.defined() || !is_series) return all.defined() ? all.flatten(1) : all;
    return all.select(0, i);
  };
  Tensors out;
  SaeStep first;
  ordered_json steps = ordered_json::array();
  for (int64_t i = 0; i < n; ++i) {
    const SaeStep done =
        trainer.step({at_step(x, i), at_step(y, i), at_step(noise, i)}, read.step + i, read.rate);
    steps.push_back(outcome_json(done, trainer));
    if (i > 0) continue;
    first = done;
    put("grad.", done.found.gradients, given, &out);
    put("grad_final.", done.final_gradients, given, &out);
    put("after1.", trainer.sae().weights, given, &out);
    out["latents"] = done.found.latents;
    out["x_hat"] = done.found.x_hat;
  }
  put("after.", trainer.sae().weights, given, &out);
  out["since_fired"] = trainer.dead().since_fired();
  for (auto& [name, tensor] : out) tensor = tensor.contiguous();
  if (!verb.save.empty()) save_state({out, {{"result", steps.dump()}}}, verb.save);
  show(outcome_report(first), verb.output, is_series ? ordered_json{{"steps", steps}} : steps[0]);
}

}  // namespace

void add_sae_step(Verb& sae) {
  auto options = std::make_shared<StepVerb>();
  Verb& verb = sae.verb(
      {"step",
       "does one training step from given weights and tells everything of it",
       "The configuration is JSON: a preset, such as dictionary_learning/topk, and what departs "
       "from it (docs/methods/saes.md), with step, rate and dtype. Weights may have the names of "
       "SAELens, dictionary_learning, sparsify, OpenAI or the vSAE authors; what is saved has the "
       "same: grad.NAME of the loss, grad_final.NAME as the optimiser receives it, after1.NAME, "
       "latents, x_hat, since_fired. A batch of three axes is a series of batches, a step each; "
       "then after.NAME is behind the last.",
       {"weir sae step --config topk.json --weights state.safetensors --batch acts.safetensors:x "
        "--save out.safetensors",
        "weir sae step --config vsae.json --weights case.safetensors:init. --batch "
        "common.safetensors:x --noise common.safetensors:eps --save out.safetensors --json"}});
  verb.option("--config", &options->config, "FILE", "What is trained and how, as JSON").required();
  verb.option("--weights", &options->weights, "FILE[:PREFIX]",
              "Safetensors; of these the names that begin with PREFIX")
      .required();
  verb.option("--batch", &options->batch, "FILE:KEY", "Activations [B, d], or [steps, B, d]")
      .required();
  verb.option("--target", &options->target, "FILE:KEY", "What is reconstructed, if not the batch")
      .option("--noise", &options->noise, "FILE:KEY", "Noise [B, F] of kinds that sample")
      .option("--since-fired", &options->since_fired, "FILE:KEY",
              "Counters [F] of how long ago each latent fired");
  add_output_file(verb, "--save", &options->save, "FILE", "Safetensors with all that was computed");
  add_output_options(verb, options->output);
  verb.run([options] { step_verb(*options); });
}

}  // namespace weir::cli
