#include "weir/rl/policy.h"

#include <chrono>
#include <memory>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "apps/cli/command.h"
#include "apps/cli/rl/rl_verbs.h"
#include "apps/cli/token_source.h"
#include "weir/io/safetensors.h"
#include "weir/model/hugging_face_values.h"
#include "weir/model/own.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct PolicyVerb {
  ModelOptions model;
  OutputOptions output;
  std::string tokens, attention_mask, response_mask, source, norm = "none", save;
  int64_t layer = 0;
  double temperature = 1;
  bool gradients = false;
};

/// What the scores are computed with: the model as it is, or, for gradients, its own memory.
struct Setting {
  LoadedModel model;
  std::vector<Parameter> parameters;
  std::vector<at::Tensor> leaves;
};

Setting setting_of(const LanguageModel& lm, bool gradients) {
  Setting setting;
  if (!gradients) {
    setting.model.weights = lm.transformer().weights();
    return setting;
  }
  setting.model =
      own(lm.source(), lm.transformer().dtype() == at::kDouble ? at::kDouble : at::kFloat);
  return setting;
}

void add_gradients(const Setting& setting, const at::Tensor& of, const std::string& prefix,
                   std::vector<io::TensorView>* views, ordered_json* names) {
  const std::vector<at::Tensor> found = torch::autograd::grad(
      {of.sum()}, setting.leaves, {}, /*retain_graph=*/true, /*create_graph=*/false,
      /*allow_unused=*/true);
  for (const auto& [name, tensor] :
       under_hugging_face_names(setting.model, setting.parameters, found)) {
    views->push_back(to_view(prefix + name, tensor));
    names->push_back(name);
  }
}

void policy(const PolicyVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const std::string source =
      verb.source.empty() ? (verb.layer > 0 ? "layer" : "full") : verb.source;
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const rl::PolicySpec spec =
      rl::policy_spec(source, verb.layer, verb.norm, verb.temperature, lm.config().n_layers);
  const TokenBatch batch = read_rows(verb.tokens, verb.attention_mask);
  require_usage(batch.tokens.size(1) > 1, "--tokens: expected rows of at least two tokens");
  at::Tensor mask = at::ones({batch.tokens.size(0), batch.tokens.size(1) - 1}, at::kFloat);
  if (batch.attention_mask.defined()) {
    mask = batch.attention_mask.slice(1, 0, -1)
               .logical_and(batch.attention_mask.slice(1, 1))
               .to(at::kFloat);
  }
  if (!verb.response_mask.empty()) mask = mask * read_named(verb.response_mask, "response_mask");
  Setting setting = setting_of(lm, verb.gradients);
  if (verb.gradients) {
    setting.parameters = trainable(setting.model, {"*"});
    for (const Parameter& parameter : setting.parameters)
      setting.leaves.push_back(parameter.held());
  }
  const rl::PolicyScores scores =
      rl::policy_scores(lm.transformer(), setting.model.weights, batch, mask, spec);
  std::vector<io::TensorView> views = {to_view("log_prob", scores.log_prob.detach()),
                                       to_view("entropy", scores.entropy.detach()),
                                       to_view("mask", mask)};
  ordered_json names = ordered_json::array(), ignored = ordered_json::array();
  if (verb.gradients) {
    add_gradients(setting, scores.log_prob, "grad.", &views, &names);
    add_gradients(setting, scores.entropy, "grad_entropy.", &views, &ignored);
  }
  if (!verb.save.empty()) {
    io::write_safetensors(verb.save, views, {{"policy", spec.name()}, {"unit", "nats"}});
  }
  const double n = mask.gt(0).sum().item<double>();
  const double log_prob = scores.log_prob.sum().item<double>() / n;
  const double entropy = scores.entropy.sum().item<double>() / n;
  TableBlock table{"Policy", {"what", "value"}, {}, ""};
  table.rows = {{std::string("policy"), spec.name()},
                {std::string("tokens"), static_cast<int64_t>(n)},
                {std::string("mean log-probability (nats)"), log_prob},
                {std::string("mean entropy (nats)"), entropy}};
  Report report{"Policy", provenance(lm, verb.model, seconds_since(start)), {std::move(table)}};
  ordered_json document = {{"policy", spec.name()},
                           {"tokens", static_cast<int64_t>(n)},
                           {"mean_log_prob", log_prob},
                           {"mean_entropy", entropy}};
  if (verb.gradients) document["with_gradient"] = names;
  show_document(report, verb.output, document);
}

}  // namespace

void add_rl_policy(Verb& rl) {
  auto options = std::make_shared<PolicyVerb>();
  Verb& verb = rl.verb(
      {"policy",
       "scores tokens under the model's policy or one inside it, with gradients",
       "Layers count from 1, as in 2512.19673; without --layer it is the model's own policy. OUT "
       "gets log_prob, entropy and mask [B, T - 1], of token t + 1 in column t; with --grad also "
       "grad.NAME, "
       "the gradient of the sum of log-probabilities by parameter under Hugging Face's names, and "
       "grad_entropy.NAME. Parameters that the policy does not depend on are left out.",
       {"weir rl policy smollm2-135m --tokens ids.safetensors:ids --layer 6 --save out.safetensors",
        "weir rl policy qwen3 --tokens ids.safetensors:ids --layer 2 --norm own --grad --save "
        "o.safetensors"}});
  add_model_options(verb, options->model);
  verb.option("--tokens", &options->tokens, "F[:KEY]", "Token ids [B, T] of a file").required();
  verb.option("--attention-mask", &options->attention_mask, "F[:KEY]",
              "1 on real tokens [B, T]; pads stand on the left")
      .option("--response-mask", &options->response_mask, "F[:KEY]",
              "1 on the tokens that count [B, T - 1]")
      .option("--layer", &options->layer, "L", "The block, from 1; 0: the model's own policy", {0})
      .choice("--source", &options->source, {"full", "layer", "attention", "mlp"},
              "What is read; layer where --layer is given")
      .choice("--norm", &options->norm, {"none", "own", "controlled", "final_norm", "unit_rms"},
              "What happens before the unembedding (own: final_norm, controlled: unit_rms)")
      .option("--temperature", &options->temperature, "T", "Divides the logits", {0, 1e6, true})
      .flag("--grad", &options->gradients, "Also gradients");
  add_output_file(verb, "--save", &options->save, "OUT.safetensors", "Where the tensors go");
  add_output_options(verb, options->output);
  verb.run([options] { policy(*options); });
}

}  // namespace weir::cli
