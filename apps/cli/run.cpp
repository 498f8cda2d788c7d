#include <chrono>
#include <filesystem>

#include <ATen/ATen.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/verbs.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

struct RunVerb {
  ModelOptions model;
  OutputOptions output;
  std::string text, text_file, tokens, mask, intervene, save;
  std::string process = "none";
  std::vector<std::string> names;
};

// FILE[:KEY]: the tensor KEY of a file, `fallback` when no key is given.
at::Tensor read_named(const std::string& place, const std::string& fallback) {
  std::string file = place, key = fallback;
  const size_t colon = place.rfind(':');
  if (colon != std::string::npos && !std::filesystem::exists(place)) {
    file = place.substr(0, colon);
    key = place.substr(colon + 1);
  }
  return to_tensor(read_tensors(file).at(key));
}

TokenBatch batch_of(const RunVerb& verb, const LanguageModel& lm) {
  if (verb.tokens.empty()) return lm.encode(read_text(verb.text, verb.text_file));
  TokenBatch batch;
  batch.tokens = read_named(verb.tokens, "tokens").to(at::kLong);
  if (batch.tokens.dim() == 1) batch.tokens = batch.tokens.unsqueeze(0);
  if (!verb.mask.empty()) {
    batch.attention_mask = read_named(verb.mask, "attention_mask").to(at::kBool);
    if (batch.attention_mask.dim() == 1) batch.attention_mask = batch.attention_mask.unsqueeze(0);
  }
  return batch;
}

void check_usage(const RunVerb& verb) {
  const bool has_text = !verb.text.empty() || !verb.text_file.empty();
  require_usage(verb.mask.empty() || !verb.tokens.empty(), "run: --mask goes with --tokens");
  require_usage(has_text || !verb.tokens.empty(), "run: expected --text, --text-file or --tokens");
  require_usage(!has_text || verb.tokens.empty(),
                "run: give one of --text, --text-file and --tokens");
}

TableBlock saved_table(const std::vector<io::TensorView>& views) {
  TableBlock table{"Saved", {"name", "dtype", "shape"}, {}, ""};
  for (const io::TensorView& view : views) {
    table.rows.push_back(
        {view.name, std::string(io::to_string(view.dtype)), c10::str(at::IntArrayRef(view.shape))});
  }
  return table;
}

void run(const RunVerb& verb) {
  check_usage(verb);
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, verb.process);
  RunOptions options;
  options.interventions = read_interventions(verb.intervene);
  if (!verb.names.empty()) {
    options.cache.emplace();
    options.cache->names = verb.names;
  }
  const TokenBatch batch = batch_of(verb, lm);
  const RunResult result = lm.run(batch, options);

  std::vector<io::TensorView> views = {to_view("tokens", batch.tokens),
                                       to_view("logits", result.logits)};
  for (const std::string& name : result.cache.names()) {
    views.push_back(to_view(name, result.cache[name]));
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  Report report{"Activations of " + verb.model.model,
                provenance(lm, verb.model, seconds.count()),
                {saved_table(views)}};
  io::write_safetensors(verb.save, views,
                        {{"format", "pt"},
                         {"weir_version", report.provenance.version},
                         {"command", report.provenance.command},
                         {"processing", report.provenance.processing}});
  nlohmann::ordered_json raw = {{"save", verb.save}, {"names", result.cache.names()}};
  show(std::move(report), verb.output, raw);
}

}  // namespace

void add_run(CLI::App& app) {
  auto verb = std::make_shared<RunVerb>();
  CLI::App* command = add_verb(
      app,
      {"run",
       "one forward pass; saves logits and any activations",
       "Writes tokens, logits and every activation that --names matches into a safetensors file, "
       "each under its hook name. Interventions are a JSON file: a list of {where, positions, "
       "heads, rows, op, value} (docs/reference/interventions.md).",
       {"weir run smollm2-135m --text 'The capital of France is' --names "
        "'blocks.*.hook_resid_post' "
        "--save out.safetensors",
        "weir run gpt2 --tokens in.safetensors:tokens --intervene ablate.json --save "
        "out.safetensors"}});
  add_model_options(*command, verb->model);
  command->add_option("--text", verb->text, "The prompt; - reads stdin")->type_name("S");
  command->add_option("--text-file", verb->text_file, "A file that holds the prompt")
      ->type_name("F");
  command
      ->add_option("--tokens", verb->tokens,
                   "Token ids [batch, position] instead of text; the key "
                   "is 'tokens' when left out")
      ->type_name("F[:KEY]");
  command
      ->add_option("--mask", verb->mask,
                   "Which of those tokens are real (left padding); the key is "
                   "'attention_mask' when left out")
      ->type_name("F[:KEY]");
  command->add_option("--names", verb->names, "Globs of hook names to save, separated by commas")
      ->type_name("GLOB,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--process", verb->process,
                   "Weights as they are (none) or with norms folded, "
                   "centred (fold)")
      ->type_name("none|fold")
      ->capture_default_str();
  command->add_option("--intervene", verb->intervene, "Interventions to apply")->type_name("F");
  command->add_option("--save", verb->save, "Where the tensors go")->type_name("F")->required();
  add_output_options(*command, verb->output);
  command->callback([verb] { run(*verb); });
}

}  // namespace weir::cli
