#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/token_source.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/lens/attribution_parts.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct AttributeVerb {
  ModelOptions model;
  OutputOptions output;
  TokenSource tokens;
  std::string answer, wrong, by = "head", intervene;
  bool centred = false;
};

AttributionForm form_of(const std::string& by) {
  if (by == "layer") return AttributionForm::kLayer;
  if (by == "neuron") return AttributionForm::kNeuron;
  return by == "source" ? AttributionForm::kSource : AttributionForm::kHead;
}

void run_attribute(const AttributeVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const TokenBatch batch = read_token_source(verb.tokens, lm);
  const int64_t n_rows = batch.tokens.size(0);
  AttributionTarget target;
  target.answer = at::full({n_rows}, token_of(lm, verb.answer, "--answer"), at::kLong);
  if (!verb.wrong.empty()) {
    target.wrong = at::full({n_rows}, token_of(lm, verb.wrong, "--wrong"), at::kLong);
  }
  target.is_centred = verb.centred;
  AttributionOptions options;
  const AttributionForm form = form_of(verb.by);
  options.neurons = form == AttributionForm::kNeuron;
  options.sources = form == AttributionForm::kSource;
  options.interventions = read_interventions(verb.intervene);
  const Attribution found = attribute(lm, batch, target, options);
  ordered_json parts = ordered_json::array();
  double sum = 0;
  for (const AttributedPart& part : attributed_parts(found, form)) {
    parts.push_back({{"name", part.name}, {"value", part.value}});
    sum += part.value;
  }
  const at::Tensor row = batch.tokens[0].contiguous();
  Report report = attribution_report(
      lm, found, form, {row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel()});
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.extra.emplace_back(
      "target",
      lm.token_text(target.answer[0].item<int64_t>()) +
          (target.wrong.defined() ? " minus " + lm.token_text(target.wrong[0].item<int64_t>())
                                  : ""));
  show(std::move(report), verb.output,
       {{"parts", std::move(parts)},
        {"sum", sum},
        {"logit", found.total.to(at::kDouble).mean().item<double>()}});
}

}  // namespace

void add_attribute(Verb& weir) {
  auto options = std::make_shared<AttributeVerb>();
  Verb& verb = weir.verb(
      {"attribute",
       "which parts of the model write an answer's logit",
       "Direct logit attribution at the last position: every part of the model, read through the "
       "final norm with its true scale. The parts sum to the logit (before any soft cap). Of "
       "several rows the mean is shown.",
       {"weir attribute smollm2-135m 'The capital of France is' --answer ' Paris' --wrong ' Rome'",
        "weir attribute smollm2-135m 'The capital of France is' --answer ' Paris' --by source"}});
  add_model_options(verb, options->model);
  add_token_source(verb, options->tokens);
  verb.option("--answer", &options->answer, "T", "A token: its id, or its text (' Paris')")
      .required()
      .option("--wrong", &options->wrong, "T", "Attribute the answer's logit minus this one's")
      .choice("--by", &options->by, {"head", "layer", "neuron", "source"}, "Into which parts")
      .flag("--centred", &options->centred, "The answer's logit minus the mean over the vocabulary")
      .option("--intervene", &options->intervene, "F",
              "Interventions to apply (see weir run --help)");
  add_output_options(verb, options->output);
  verb.run([options] { run_attribute(*options); });
}

}  // namespace weir::cli
