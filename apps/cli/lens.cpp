#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/verbs.h"
#include "weir/lens/logit_lens.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct LensVerb {
  ModelOptions model;
  OutputOptions output;
  TextOptions prompt;
  std::string process = "none", intervene, tuned;
  std::vector<std::string> sites = {"resid_post"};
  int64_t top_k = 10;
  bool no_final_norm = false;
};

LensSite site_of(const std::string& name) {
  if (name == "resid_pre") return LensSite::kResidPre;
  return name == "resid_mid" ? LensSite::kResidMid : LensSite::kResidPost;
}

ordered_json result_json(const LensResult& result) {
  return {{"points", result.points},
          {"tokens", result.tokens},
          {"token_text", result.token_text},
          {"final_norm", result.final_norm},
          {"tuned", result.tuned},
          {"unit", "nats"},
          {"entropy", to_json(result.entropy)},
          {"kl_to_final", to_json(result.kl_to_final)},
          {"next_log_prob", to_json(result.next_log_prob)},
          {"next_rank", to_json(result.next_rank)},
          {"top_ids", to_json(result.top_ids)},
          {"top_log_probs", to_json(result.top_log_probs)},
          {"output_log_prob", to_json(result.output_log_prob)},
          {"output_rank", to_json(result.output_rank)},
          {"output_top_ids", to_json(result.output_top_ids)},
          {"output_top_log_probs", to_json(result.output_top_log_probs)}};
}

void lens(const LensVerb& verb) {
  const std::string prompt = read_some_text(verb.prompt);
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, verb.process, verb.output.is_kept());
  const int64_t most = lm.config().d_vocab;
  require_usage(verb.top_k <= most,
                fmt::format("--top-k: expected an integer from 1 to {}, this model's vocabulary, "
                            "found '{}'",
                            most, verb.top_k));
  LensOptions options;
  options.sites.clear();
  for (const std::string& site : verb.sites) options.sites.push_back(site_of(site));
  options.final_norm = !verb.no_final_norm;
  options.top_k = verb.top_k;
  options.interventions = read_interventions(verb.intervene);
  std::optional<TunedLens> tuned;
  if (!verb.tuned.empty()) tuned = load_tuned_lens(verb.tuned, lm);
  options.tuned = tuned ? &*tuned : nullptr;
  const LensResult result = logit_lens(lm, lm.tokenizer().encode(prompt).ids, options);
  Report report = lens_report(lm, result);
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  show(std::move(report), verb.output, result_json(result));
}

}  // namespace

void add_lens(Verb& weir) {
  auto options = std::make_shared<LensVerb>();
  Verb& verb = weir.verb(
      {"lens",
       "reads every layer of a prompt with the model's own unembedding",
       "The logit lens: final norm and unembedding applied to the residual stream after every "
       "layer. Shows which token each layer would predict at each position, how sure it is, and "
       "how far it is from the final answer. --json holds every number under \"result\".",
       {"weir lens smollm2-135m 'The capital of France is' --html lens.html",
        "weir lens smollm2-135m 'When Mary and John went to the store, John gave a drink to' "
        "--sites resid_mid,resid_post --json"}});
  add_model_options(verb, options->model);
  add_text_options(verb, options->prompt, "PROMPT", "The text to read; - reads stdin");
  verb.list("--sites", &options->sites, "S,...",
            "Streams to read: resid_pre, resid_mid, resid_post",
            {"resid_pre", "resid_mid", "resid_post"})
      .option("--top-k", &options->top_k, "K", "Tokens listed for each layer", {1})
      .option("--tuned", &options->tuned, "DIR", "A tuned lens: translates each stream first")
      .flag("--no-final-norm", &options->no_final_norm, "Unembed the raw stream")
      .choice("--process", &options->process, {"none", "fold"},
              "Weights as they are (none) or folded (fold)")
      .option("--intervene", &options->intervene, "F",
              "Interventions to apply (see weir run --help)");
  add_output_options(verb, options->output);
  verb.run([options] { lens(*options); });
}

}  // namespace weir::cli
