#include <chrono>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/generation_options.h"
#include "apps/cli/generation_report.h"
#include "apps/cli/verbs.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct GenerateVerb {
  ModelOptions model;
  GenerationOptions generation;
  std::string prompt, text_file, process = "none";
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

// Streams as the tokens come when there is one continuation to read.
GenerateResult generated(const LanguageModel& lm, const GenerateVerb& verb,
                         const std::string& prompt) {
  GenerateOptions options = to_generate_options(verb.generation);
  options.n_samples = verb.n_samples;
  options.stop_at_eos = !verb.ignore_eos;
  const bool streams = !verb.output.json && verb.n_samples == 1;
  if (streams) {
    print(prompt);
    options.on_token = [](int64_t, int64_t, const std::string& text) {
      print(text);
      std::fflush(stdout);
      return true;
    };
  }
  GenerateResult result = generate(lm, {lm.tokenizer().encode(prompt).ids}, options);
  if (streams) print("\n");
  return result;
}

void generate_verb(const GenerateVerb& verb) {
  require_usage(verb.n_samples >= 1,
                fmt::format("--samples: expected 1 or more, got {}", verb.n_samples));
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, verb.process, verb.output.wants_files());
  const std::string prompt = read_text(verb.prompt, verb.text_file);
  const GenerateResult result = generated(lm, verb, prompt);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (verb.output.wants_files()) {
    Report report = generation_report(lm, prompt, result);
    report.provenance = provenance(lm, verb.model, seconds.count());
    const SamplingOptions& sampling = verb.generation.sampling;
    if (!sampling.greedy) report.provenance.seed = static_cast<int64_t>(sampling.seed);
    write_files(report, verb.output);
  }
  if (verb.output.json) return print_json(to_json(result));
  for (size_t i = 0; result.rows.size() > 1 && i < result.rows.size(); ++i) {
    print("--- sample " + std::to_string(i + 1) + "\n" + prompt + result.rows[i].text + "\n");
  }
  std::fflush(stdout);
  if (!verb.output.quiet) std::fprintf(stderr, "%.1f tokens/s\n", tokens_per_second(result));
}

}  // namespace

void add_generate(CLI::App& app) {
  auto verb = std::make_shared<GenerateVerb>();
  CLI::App* command = add_verb(
      app,
      {"generate",
       "continues a prompt",
       "Streams the continuation as it comes. With --json prints {prompt_tokens, tokens, text, "
       "logprobs, stopped_by, tokens_per_second}, or a list of samples when there are several; "
       "log-probabilities are the model's own, before temperature and filters. --html and --csv "
       "hold the tokens with them. With --quiet the text is all that is printed.",
       {"weir generate smollm2-135m 'Once upon a time' --max-new 50 --greedy",
        "weir generate smollm2-135m 'A haiku:' --temperature 0.8 --top-p 0.95 --seed 7 --samples 4",
        "weir generate smollm2-135m 'The Eiffel Tower is in' --intervene steer.json --json"}});
  add_model_options(*command, verb->model);
  command->add_option("PROMPT", verb->prompt, "The text to continue; - reads stdin");
  command->add_option("--text-file", verb->text_file, "A file that holds the prompt")
      ->type_name("F");
  add_generation_options(*command, verb->generation);
  command->add_option("--samples", verb->n_samples, "Continuations of the prompt")
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--ignore-eos", verb->ignore_eos, "Go on after the end-of-text token");
  command->add_option("--process", verb->process, "Weights as they are (none) or folded (fold)")
      ->type_name("none|fold")
      ->capture_default_str();
  add_output_options(*command, verb->output);
  command->callback([verb] { generate_verb(*verb); });
}

}  // namespace weir::cli
