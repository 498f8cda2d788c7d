#include "weir/patch/knockout.h"

#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/prompt_source.h"
#include "apps/cli/subject.h"
#include "apps/cli/verbs.h"
#include "weir/lm/token_batch.h"
#include "weir/patch/readings.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct KnockoutVerb {
  ModelOptions model;
  OutputOptions output;
  PromptOptions prompts;
  std::string subject;
  std::vector<std::string> blocks = {"subject", "non_subject", "last"};
  int64_t window = 9;
  bool sublayers = false;
};

/// bool [B, T]: what the last position may not attend to.
at::Tensor blocked(const std::string& name, const PromptSet& set, const TokenBatch& batch) {
  const int64_t width = batch.tokens.size(1);
  const at::Tensor mask = at::zeros({set.size(), width}, at::kBool);
  for (int64_t n = 0; n < set.size(); ++n) {
    const RoleTokens& row = set.prompts[static_cast<size_t>(n)].clean;
    const int64_t pads = width - static_cast<int64_t>(row.tokens.size());
    const at::Tensor keys = mask[n];
    if (name == "last") {
      keys[-1] = true;
    } else if (name == "first") {
      keys[pads] = true;
    } else {
      const bool is_subject = name == "subject";
      if (!is_subject) keys.slice(0, pads, width - 1).fill_(true);
      keys.slice(0, pads + row.roles.at("subject_first"), pads + row.roles.at("subject_last") + 1)
          .fill_(is_subject);
    }
  }
  return mask;
}

void knockout(const KnockoutVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  PromptSet set = read_prompts(verb.prompts, lm);
  const bool needs_subject =
      std::any_of(verb.blocks.begin(), verb.blocks.end(),
                  [](const auto& name) { return name.find("subject") != std::string::npos; });
  if (needs_subject) require_subject(set, verb.subject, lm);
  const TokenBatch batch = left_pad(set.clean_rows());
  const Experiments prompts(lm, batch, {});
  const ReadingTargets targets = targets_of(set);
  const at::Tensor base = read(Reading::kProb, prompts.logits(), targets).to(at::kDouble);
  ordered_json result = {{"axes", {"layer"}},
                         {"window", verb.window},
                         {"base_prob", base.mean().item<double>()},
                         {"prob", ordered_json::object()},
                         {"percent", ordered_json::object()}};
  std::vector<Series> curves;
  const auto add = [&](const std::string& name, const at::Tensor& logits) {
    const at::Tensor prob = read(Reading::kProb, logits, targets).to(at::kDouble);
    const at::Tensor percent = (100 * (prob - base) / base).mean(-1);
    curves.push_back({name, to_doubles(percent)});
    result["prob"][name] = to_json(prob.mean(-1));
    result["percent"][name] = to_json(percent);
  };
  for (const std::string& name : verb.blocks) {
    add(name, attention_knockout(prompts, blocked(name, set, batch), verb.window));
  }
  if (verb.sublayers) {
    for (const char* kind : {"attn_out", "mlp_out"}) {
      add(kind, sublayer_knockout(prompts, kind, true, verb.window));
    }
  }
  Report report{"Knockout", {}, {}};
  report.blocks.push_back(TextBlock{
      "",
      fmt::format("{} prompts of {}; probability of the answer {:.4f}. The last position may not "
                  "attend to the set in a window of {} layers about each.",
                  set.size(), set.task, base.mean().item<double>(), verb.window)});
  report.blocks.push_back(
      layer_curves("Relative change of the answer's probability", "percent", curves));
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  show(std::move(report), verb.output, result);
}

}  // namespace

void add_knockout(Verb& weir) {
  auto options = std::make_shared<KnockoutVerb>();
  Verb& verb = weir.verb(
      Heading::kChange,
      {"knockout",
       "which layers need to look at the subject, at the rest, at themselves",
       "Attention knockout (2304.14767): attention from the last position to a set of tokens is "
       "forbidden in all heads of a window of layers; the relative change of the answer's "
       "probability by layer.",
       {"weir knockout smollm2-135m --task country_capital_city --window 5",
        "weir knockout smollm2-135m --prompt 'The capital of France is' --answer ' Paris' "
        "--subject "
        "France"}});
  add_model_options(verb, options->model);
  add_prompt_options(verb, options->prompts);
  verb.option("--subject", &options->subject, "TEXT",
              "The subject's words, where no task names them")
      .list("--block", &options->blocks, "S,...", "Sets: subject, non_subject, last, first",
            {"subject", "non_subject", "last", "first"})
      .option("--window", &options->window, "K", "Layers blocked together", {1})
      .flag("--sublayers", &options->sublayers,
            "Also with the outputs of attention and of MLPs zero at the last position");
  add_output_options(verb, options->output);
  verb.run([options] { knockout(*options); });
}

}  // namespace weir::cli
