#include <chrono>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/generation_options.h"
#include "apps/cli/generation_report.h"
#include "apps/cli/sae/latent_edits.h"
#include "apps/cli/verbs.h"
#include "weir/base/memory.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct GenerateVerb {
  ModelOptions model;
  GenerationOptions generation;
  TextOptions prompt;
  LatentEditOptions latents;
  std::string process = "none";
  int64_t n_samples = 1;
  OutputOptions output;
  bool ignore_eos = false;
};

ordered_json row_json(const Generation& row) {
  return {{"tokens", row.tokens},
          {"text", row.text},
          {"logprobs", row.log_probs},
          {"stopped_by", row.stopped_by}};
}

ordered_json to_json(const GenerateResult& result) {
  ordered_json document = {{"prompt_tokens", result.rows.at(0).prompt_tokens}};
  if (result.rows.size() == 1) {
    document.update(row_json(result.rows[0]));
  } else {
    document["samples"] = ordered_json::array();
    for (const Generation& row : result.rows) document["samples"].push_back(row_json(row));
  }
  document["tokens_per_second"] = tokens_per_second(result);
  document["prefill_seconds"] = result.prefill_seconds;
  document["decode_seconds"] = result.decode_seconds;
  return document;
}

// Before anything is printed.
void check_prompts(const LanguageModel& lm, const std::vector<std::vector<int64_t>>& prompts,
                   const GenerateOptions& options) {
  require_usage(!prompts[0].empty(),
                "PROMPT: expected a text, found an empty one, before which this model's tokenizer "
                "puts no token of its own");
  const double needed = least_memory(lm, prompts, options);
  const auto available = static_cast<double>(available_memory());
  require_usage(needed <= available,
                fmt::format("--samples: {} need {} of memory, {} are available; ask for fewer",
                            options.n_samples, memory_text(needed), memory_text(available)));
}

// Streams as the tokens come when there is one continuation to read.
GenerateResult generated(const LanguageModel& lm, const GenerateVerb& verb,
                         const std::string& prompt) {
  GenerateOptions options = to_generate_options(verb.generation);
  options.n_samples = verb.n_samples;
  options.hooks = latent_edit_hooks(verb.latents);
  options.stop_at_eos = !verb.ignore_eos;
  const std::vector<std::vector<int64_t>> prompts = {lm.tokenizer().encode(prompt).ids};
  check_prompts(lm, prompts, options);
  const bool streams = !verb.output.json && verb.n_samples == 1;
  if (streams) {
    print(prompt);
    options.on_token = [](int64_t, int64_t, const std::string& text) {
      print_now(text);
      return true;
    };
  }
  GenerateResult result = generate(lm, prompts, options);
  if (streams) print("\n");
  return result;
}

void generate_verb(const GenerateVerb& verb) {
  // An empty PROMPT asks for a text from nothing but the model's own first token.
  const bool wants_empty = verb.prompt.text == "";
  const std::string prompt = wants_empty ? read_text(verb.prompt) : read_some_text(verb.prompt);
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, verb.process, verb.output.wants_files());
  const GenerateResult result = generated(lm, verb, prompt);
  const double seconds = seconds_since(start);
  if (verb.output.json) print_json(to_json(result));
  for (size_t i = 0; !verb.output.json && result.rows.size() > 1 && i < result.rows.size(); ++i) {
    print("--- sample " + std::to_string(i + 1) + "\n" + prompt + result.rows[i].text + "\n");
  }
  print_now("");
  if (verb.output.wants_files()) {
    Report report = generation_report(lm, prompt, result);
    report.provenance = provenance(lm, verb.model, seconds);
    const SamplingOptions& sampling = verb.generation.sampling;
    if (!sampling.greedy) report.provenance.seed = static_cast<int64_t>(sampling.seed);
    write_files(report, verb.output);
  }
  if (!verb.output.json && !verb.output.quiet)
    std::fprintf(stderr, "%.1f tokens/s\n", tokens_per_second(result));
}

}  // namespace

void add_generate(Verb& weir) {
  auto options = std::make_shared<GenerateVerb>();
  Verb& verb = weir.verb(
      Heading::kMake,
      {"generate",
       "continues a prompt",
       "Streams the continuation as it comes. With --json prints {prompt_tokens, tokens, text, "
       "logprobs, stopped_by, tokens_per_second}, or a list of samples when there are several; "
       "log-probabilities are the model's own, before temperature and filters. --html and --csv "
       "hold the tokens with them. With --quiet the text is all that is printed.",
       {"weir generate smollm2-135m 'Once upon a time' --max-new 50 --greedy",
        "weir generate smollm2-135m 'A haiku:' --temperature 0.8 --top-p 0.95 --seed 7 --samples 4",
        "weir generate smollm2-135m 'The Eiffel Tower is in' --intervene steer.json --json"}});
  add_model_options(verb, options->model);
  add_text_options(verb, options->prompt, "PROMPT", "The text to continue; - reads stdin");
  add_generation_options(verb, options->generation);
  add_latent_edit_options(verb, options->latents);
  verb.option("--samples", &options->n_samples, "N", "Continuations of the prompt", {1})
      .flag("--ignore-eos", &options->ignore_eos, "Go on after the end-of-text token")
      .choice("--process", &options->process, {"none", "fold"},
              "Weights as they are (none) or folded (fold)");
  add_output_options(verb, options->output);
  verb.run([options] { generate_verb(*options); });
}

}  // namespace weir::cli
