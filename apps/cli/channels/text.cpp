#include <chrono>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "apps/cli/channels/channel_verbs.h"
#include "weir/base/error.h"
#include "weir/channels/open_text.h"
#include "weir/tasks/neutral_text.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct TextVerb {
  ModelOptions model;
  OutputOptions output;
  TextOptions text;
  OpenTextOptions options;
  std::string component;
  int64_t most_tokens = 20000;
};

ordered_json to_json(const ClassLoss& loss) {
  return {{"repeat", cli::to_json(loss.repeat)},
          {"list", cli::to_json(loss.list)},
          {"rest", cli::to_json(loss.rest)},
          {"all", cli::to_json(loss.all)}};
}

ordered_json result_json(const OpenText& found) {
  ordered_json result = {
      {"component", found.component.name()},
      {"tokens", found.n_tokens},
      {"mean", found.mean},
      {"sd", found.sd},
      {"size",
       {{"repeat", found.size_repeat}, {"list", found.size_list}, {"rest", found.size_rest}}},
      {"loss_rise", to_json(found.loss)}};
  result["controls"] = ordered_json::array();
  for (const ClassLoss& control : found.controls) result["controls"].push_back(to_json(control));
  for (const auto& [name, list] : {std::pair{"highest", found.highest}, {"lowest", found.lowest}}) {
    for (const TextContext& one : list) {
      result[name].push_back({{"coefficient", one.coefficient},
                              {"tokens", one.tokens},
                              {"attended", one.attended},
                              {"attention", one.attention}});
    }
  }
  return result;
}

void text(const TextVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const ComponentId component = component_named(verb.component, "--component");
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  require_head(lm, component.head, "--component");
  const std::string words =
      verb.text.is_given() ? read_some_text(verb.text) : default_neutral_text();
  std::vector<int64_t> tokens = lm.tokenizer().encode(words, false).ids;
  if (static_cast<int64_t>(tokens.size()) > verb.most_tokens)
    tokens.resize(static_cast<size_t>(verb.most_tokens));
  const OpenText found = open_text(lm, tokens, component, verb.options);
  Report report = open_text_report(found);
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  show(std::move(report), verb.output, result_json(found));
}

}  // namespace

void add_channel_text(Verb& channels) {
  auto options = std::make_shared<TextVerb>();
  Verb& verb = channels.verb(
      {"text",
       "shows where in a text a component is used, and what its removal costs there",
       "Its coefficient at every token, the contexts where it is largest with the token that is "
       "attended to, and the rise of the loss without it on tokens that repeat, in lists and "
       "elsewhere, beside random other components of the head.",
       {"weir channels text smollm2-135m --component 20.0.0 --text-file book.txt"}});
  add_model_options(verb, options->model);
  verb.option("--component", &options->component, "L.H.I", "Of what the head writes").required();
  add_text_options(verb, options->text, "--text", "The text (some neutral prose if left out)");
  verb.option("--tokens", &options->most_tokens, "N", "At most so many of it", {2})
      .option("--window", &options->options.window, "N", "Tokens that are read together", {2})
      .option("--contexts", &options->options.n_contexts, "N", "Contexts to list", {1})
      .option("--controls", &options->options.n_controls, "N", "Random other components", {0})
      .option("--seed", &options->options.seed, "N", "Of the controls");
  add_output_options(verb, options->output);
  verb.run([options] { text(*options); });
}

}  // namespace weir::cli
