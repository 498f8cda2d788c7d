#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/prompt_source.h"
#include "apps/cli/verbs.h"
#include "weir/lm/token_batch.h"
#include "weir/patch/ablation.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct AblateVerb {
  ModelOptions model;
  OutputOptions output;
  PromptOptions prompts;
  std::string kind = "head_z", value = "mean", metric = "logprob";
  bool at_end = false;
};

PatchValue value_of(const std::string& name) {
  if (name == "zero") return PatchValue::kZero;
  if (name == "mean") return PatchValue::kMean;
  return name == "mean_all" ? PatchValue::kMeanAll : PatchValue::kResample;
}

void ablate(const AblateVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const PromptSet set = read_prompts(verb.prompts, lm);
  GridOptions options;
  options.kind = verb.kind;
  options.value = value_of(verb.value);
  options.scope = verb.at_end ? PatchScope::kEnd : PatchScope::kAll;
  const Reading reading = reading_of(verb.metric);
  options.readings = {reading};
  // Every prompt receives the next one's values.
  options.resample = at::arange(set.size(), at::kLong).roll(1);
  const PatchGrid grid = ablation_grid(lm, left_pad(set.clean_rows()), set.answers(),
                                       set.has_wrong() ? set.wrongs() : at::Tensor(), options);
  const at::Tensor change = grid.readings.at(reading).to(at::kDouble).mean(-1) -
                            grid.base.at(reading).to(at::kDouble).mean();
  const std::string title = "Change of " + verb.metric + " when " + verb.kind + " is ablated";
  Report report{title, {}, {}};
  if (change.dim() == 2) {
    report.blocks.push_back(head_map(title, "change", to_rows(change)));
  } else {
    report.blocks.push_back(layer_curves(title, "change", {{verb.kind, to_doubles(change)}}));
  }
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.extra = {{"prompts", fmt::format("{} of {}", set.size(), set.task)},
                             {"value", verb.value}};
  show(std::move(report), verb.output,
       {{"axes", grid.axes},
        {"metric", verb.metric},
        {"base", grid.base.at(reading).to(at::kDouble).mean().item<double>()},
        {"change", to_json(change)}});
}

}  // namespace

void add_ablate(Verb& weir) {
  auto options = std::make_shared<AblateVerb>();
  Verb& verb = weir.verb(
      Heading::kChange,
      {"ablate",
       "what a task loses when a part of the model writes nothing of its own",
       "Every head, attention or MLP output alone becomes zero, its mean over the prompts (at the "
       "same "
       "position, or over all), or another prompt's.",
       {"weir ablate smollm2-135m --task ioi --kind head_z --value mean --metric logit_diff",
        "weir ablate smollm2-135m --task country_capital_city --kind mlp_out --value zero"}});
  add_model_options(verb, options->model);
  add_prompt_options(verb, options->prompts);
  verb.choice("--kind", &options->kind, {"head_z", "attn_out", "mlp_out"}, "What is ablated")
      .choice("--value", &options->value, {"mean", "mean_all", "zero", "resample"},
              "What it becomes")
      .choice("--metric", &options->metric, {"logprob", "logit_diff", "prob", "rank", "kl", "pi"},
              "What is read")
      .flag("--end", &options->at_end, "At the last position alone");
  add_output_options(verb, options->output);
  verb.run([options] { ablate(*options); });
}

}  // namespace weir::cli
