#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/subnet/options.h"
#include "apps/cli/token_source.h"
#include "weir/io/safetensors.h"
#include "weir/subnet/masked_loss.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct LossVerb {
  ModelOptions model;
  OutputOptions output;
  TargetOptions target;
  std::string tokens, mask, save, method = "continuous";
  double temperature = 1, lambda = 10;
  uint64_t seed = 0;
};

/// `loss`, `ce`, `kl`, `l1_mean` [] and grad.NAME under Hugging Face's names and layouts.
void save(const LossVerb& verb, const LanguageModel& lm, const MaskedLoss& loss,
          const std::vector<at::Tensor>& gradients) {
  std::vector<io::TensorView> views;
  for (const auto& [name, value] : {std::pair{"loss", loss.total},
                                    {"ce", loss.cross_entropy},
                                    {"kl", loss.kl},
                                    {"l1_mean", loss.penalty}}) {
    views.push_back(to_view(name, at::scalar_tensor(value, at::kDouble)));
  }
  for (const auto& [name, tensor] : to_hugging_face(lm.source(), gradients)) {
    views.push_back(to_view("grad." + name, tensor));
  }
  io::write_safetensors(verb.save, views,
                        {{"temperature", fmt::format("{:.17g}", verb.temperature)},
                         {"lambda", fmt::format("{:.17g}", verb.lambda)}});
}

void loss(const LossVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const at::Tensor tokens = read_rows(verb.tokens, "").tokens;
  const MaskSpace space(lm.transformer().weights(), lm.config(), MaskUnit::kWeight,
                        lm.transformer().dtype());
  const std::vector<at::Tensor> logits = read_mask_logits(verb.mask, lm, space);
  const NamedTarget target =
      make_target(verb.target.target, verb.target, verb.model, lm, Corpus::of(tokens), verb.tokens);
  const auto method = mask_method_of(verb.method);
  const SoftMask mask{space, *method, logits, verb.temperature, verb.seed};
  std::vector<at::Tensor> gradients(logits.size());
  const MaskedLoss found =
      masked_loss(lm.transformer(), mask, tokens, *target.target, verb.lambda,
                  [&](size_t part, const at::Tensor& gradient) { gradients[part] = gradient; });
  const Decided counts = decided(mask);
  double squares = 0;
  for (const at::Tensor& part : gradients) squares += part.square().sum(at::kDouble).item<double>();
  if (!verb.save.empty()) save(verb, lm, found, gradients);
  TableBlock table{"Loss of a soft mask", {"figure", "value"}, {}, ""};
  table.rows = {{std::string("loss"), found.total},
                {std::string("cross-entropy to the target (nats)"), found.cross_entropy},
                {std::string("KL(target || model) (nats)"), found.kl},
                {std::string("mean mask value"), found.penalty},
                {std::string("norm of the gradient"), std::sqrt(squares)},
                {std::string("below 0.1"), counts.below},
                {std::string("above 0.9"), counts.above},
                {std::string("undecided"), counts.undecided}};
  table.note = fmt::format("target: {}; lambda {}, temperature {}", target.name, verb.lambda,
                           verb.temperature);
  Report report{
      "Subnetwork loss", provenance(lm, verb.model, seconds_since(start)), {std::move(table)}};
  show_document(report, verb.output,
                {{"loss", found.total},
                 {"ce", found.cross_entropy},
                 {"kl", found.kl},
                 {"l1_mean", found.penalty},
                 {"gradient_norm", std::sqrt(squares)},
                 {"below_0_1", counts.below},
                 {"above_0_9", counts.above},
                 {"undecided", counts.undecided},
                 {"stop", counts.stop()},
                 {"mask_params", space.size()},
                 {"target", target.name},
                 {"lambda", verb.lambda},
                 {"temperature", verb.temperature}});
}

}  // namespace

void add_subnet_loss(Verb& subnet) {
  auto options = std::make_shared<LossVerb>();
  Verb& verb = subnet.verb(
      {"loss",
       "gives the loss of a soft mask of weights, and its gradient",
       "The mask is a file of logits under Hugging Face's names (FILE:PREFIX where they begin with "
       "PREFIX), or a saved training. --save writes loss, ce, kl, l1_mean and grad.NAME. --json "
       "prints {loss, ce, kl, l1_mean, below_0_1, above_0_9, undecided, stop, ...}.",
       {"weir subnet loss gpt2 --tokens ids.safetensors:ids --target bigrams.safetensors "
        "--mask m.safetensors --temperature 7 --save out.safetensors"}});
  add_model_options(verb, options->model);
  verb.option("--tokens", &options->tokens, "F[:KEY]", "Token ids [B, T] of a file").required();
  verb.option("--mask", &options->mask, "F[:PREFIX]", "Mask logits").required();
  verb.option("--temperature", &options->temperature, "B", "Factor of the logits", {0, 1e30, true})
      .option("--lambda", &options->lambda, "L", "Weight of the mean mask value", {0})
      .choice("--method", &options->method, {"continuous", "hard-concrete", "straight-through"},
              "What makes values of logits")
      .option("--seed", &options->seed, "S", "Of a method that draws");
  add_target_options(verb, options->target);
  add_output_file(verb, "--save", &options->save, "OUT", "Where loss and gradients go");
  add_output_options(verb, options->output);
  verb.run([options] { loss(*options); });
}

}  // namespace weir::cli
