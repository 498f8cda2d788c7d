#include <chrono>

#include <ATen/ATen.h>
#include <CLI/CLI.hpp>
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
  std::string prompt, text_file, process = "none", intervene;
  std::vector<std::string> sites = {"resid_post"};
  int64_t top_k = 10;
  bool no_final_norm = false;
};

LensSite parse_site(const std::string& name) {
  if (name == "resid_pre") return LensSite::kResidPre;
  if (name == "resid_mid") return LensSite::kResidMid;
  require_usage(
      name == "resid_post",
      fmt::format("--sites: expected resid_pre, resid_mid or resid_post, got '{}'", name));
  return LensSite::kResidPost;
}

// A tensor as nested lists.
ordered_json to_json(const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  if (tensor.dim() == 0) {
    if (tensor.scalar_type() == at::kLong) return tensor.item<int64_t>();
    return tensor.item<double>();
  }
  ordered_json list = ordered_json::array();
  for (int64_t i = 0; i < tensor.size(0); ++i) list.push_back(to_json(tensor[i]));
  return list;
}

ordered_json result_json(const LensResult& result) {
  return {{"points", result.points},
          {"tokens", result.tokens},
          {"token_text", result.token_text},
          {"final_norm", result.final_norm},
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
  require_usage(verb.top_k >= 1, fmt::format("--top-k: expected 1 or more, got {}", verb.top_k));
  const std::string prompt = read_text(verb.prompt, verb.text_file);
  require_usage(!prompt.empty(), "lens: expected a PROMPT or --text-file");
  const auto start = std::chrono::steady_clock::now();
  const bool is_kept = verb.output.json || verb.output.wants_files();
  const LanguageModel lm = load(verb.model, verb.process, is_kept);
  LensOptions options;
  options.sites.clear();
  for (const std::string& site : verb.sites) options.sites.push_back(parse_site(site));
  options.final_norm = !verb.no_final_norm;
  options.top_k = verb.top_k;
  options.interventions = read_interventions(verb.intervene);
  const LensResult result = logit_lens(lm, lm.tokenizer().encode(prompt).ids, options);
  Report report = lens_report(lm, result);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  report.provenance = provenance(lm, verb.model, seconds.count());
  show(std::move(report), verb.output, result_json(result));
}

}  // namespace

void add_lens(CLI::App& app) {
  auto verb = std::make_shared<LensVerb>();
  CLI::App* command = add_verb(
      app, {"lens",
            "reads every layer of a prompt with the model's own unembedding",
            "The logit lens: final norm and unembedding applied to the residual stream after every "
            "layer. Shows which token each layer would predict at each position, how sure it is, "
            "and how "
            "far it is from the final answer. --json holds every number under \"result\".",
            {"weir lens smollm2-135m 'The capital of France is' --html lens.html",
             "weir lens smollm2-135m 'When Mary and John went to the store, John gave a drink to' "
             "--sites resid_mid,resid_post --json"}});
  add_model_options(*command, verb->model);
  command->add_option("PROMPT", verb->prompt, "The text to read; - reads stdin");
  command->add_option("--text-file", verb->text_file, "A file that holds the text")->type_name("F");
  command->add_option("--sites", verb->sites, "Streams to read: resid_pre, resid_mid, resid_post")
      ->type_name("S,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  command->add_option("--top-k", verb->top_k, "Tokens listed for each layer")
      ->type_name("K")
      ->capture_default_str();
  command->add_flag("--no-final-norm", verb->no_final_norm, "Unembed the raw stream");
  command->add_option("--process", verb->process, "Weights as they are (none) or folded (fold)")
      ->type_name("none|fold")
      ->capture_default_str();
  command
      ->add_option("--intervene", verb->intervene, "Interventions to apply (see weir run --help)")
      ->type_name("F");
  add_output_options(*command, verb->output);
  command->callback([verb] { lens(*verb); });
}

}  // namespace weir::cli
