#include <chrono>
#include <filesystem>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/token_source.h"
#include "apps/cli/verbs.h"
#include "weir/base/ends_with.h"
#include "weir/base/memory.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

struct RunVerb {
  ModelOptions model;
  OutputOptions output;
  TextOptions text;
  std::string tokens, mask, intervene, save;
  std::string process = "none";
  std::vector<std::string> names;
};

void check_usage(const RunVerb& verb) {
  require_usage(verb.mask.empty() || !verb.tokens.empty(), "--mask goes with --tokens");
  require_usage(verb.text.is_given() || !verb.tokens.empty(),
                "expected --text, --text-file or --tokens");
  require_usage(!verb.text.is_given() || verb.tokens.empty(),
                "give one of --text, --text-file and --tokens");
}

// Of the logits and of what is saved: a number for every query and key of a map, at least those of
// the keys at every position of the others.
double least_memory(const LanguageModel& lm, const TokenBatch& batch,
                    const std::vector<std::string>& globs) {
  const ModelConfig& config = lm.config();
  const auto n_tokens = static_cast<double>(batch.tokens.numel());
  const auto n_positions = static_cast<double>(batch.tokens.size(-1));
  double numbers = static_cast<double>(config.d_vocab);
  for (const std::string& name : globs.empty() ? globs : lm.make_hooks().match(globs)) {
    const bool is_map = ends_with(name, "hook_pattern") || ends_with(name, "hook_attn_scores");
    const bool is_scale = ends_with(name, "hook_scale");
    if (is_map) numbers += static_cast<double>(config.n_heads) * n_positions;
    if (!is_map && !is_scale) numbers += static_cast<double>(config.n_kv_heads * config.d_head);
  }
  return n_tokens * numbers * static_cast<double>(c10::elementSize(lm.transformer().dtype()));
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
  const std::string text = verb.tokens.empty() ? read_some_text(verb.text) : "";
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, verb.process);
  RunOptions options;
  options.interventions = read_interventions(verb.intervene);
  if (!verb.names.empty()) {
    options.cache.emplace();
    options.cache->names = verb.names;
  }
  const TokenBatch batch =
      verb.tokens.empty() ? lm.encode(text) : read_rows(verb.tokens, verb.mask);
  require_memory(least_memory(lm, batch, verb.names),
                 fmt::format("run: logits and activations of {} tokens", batch.tokens.numel()));
  const RunResult result = lm.run(batch, options);

  std::vector<io::TensorView> views = {to_view("tokens", batch.tokens),
                                       to_view("logits", result.logits)};
  for (const std::string& name : result.cache.names()) {
    views.push_back(to_view(name, result.cache[name]));
  }
  Report report{"Activations of " + verb.model.model,
                provenance(lm, verb.model, seconds_since(start)),
                {saved_table(views)}};
  const Provenance& origin = report.provenance;
  io::write_safetensors(verb.save, views,
                        {{"format", "pt"},
                         {"weir_version", origin.version},
                         {"command", origin.command},
                         {"processing", origin.processing}});
  nlohmann::ordered_json raw = {{"save", verb.save}, {"names", result.cache.names()}};
  show(std::move(report), verb.output, raw);
}

}  // namespace

void add_run(Verb& weir) {
  auto options = std::make_shared<RunVerb>();
  Verb& verb = weir.verb(
      Heading::kChange,
      {"run",
       "one forward pass, with interventions; saves logits and any activations",
       "Writes tokens, logits and every activation that --names matches into a safetensors file, "
       "each under its hook name. Interventions are a JSON file: a list of {where, positions, "
       "heads, rows, components, op, value} (docs/reference/interventions.md).",
       {"weir run smollm2-135m --text 'The capital of France is' --names "
        "'blocks.*.hook_resid_post' --save out.safetensors",
        "weir run gpt2 --tokens in.safetensors:tokens --intervene ablate.json --save "
        "out.safetensors"}});
  add_model_options(verb, options->model);
  add_text_options(verb, options->text, "--text", "The prompt; - reads stdin");
  verb.option("--tokens", &options->tokens, "F[:KEY]",
              "Token ids [batch, position] instead of text; the key is 'tokens' when left out")
      .option("--mask", &options->mask, "F[:KEY]",
              "Which of those tokens are real (left padding); the key is 'attention_mask' when "
              "left out")
      .list("--names", &options->names, "GLOB,...",
            "Globs of hook names to save, separated by commas")
      .choice("--process", &options->process, {"none", "fold"},
              "Weights as they are (none) or with norms folded, centred (fold)")
      .option("--intervene", &options->intervene, "F", "Interventions to apply");
  add_output_file(verb, "--save", &options->save, "F", "Where the tensors go").required();
  add_output_options(verb, options->output);
  verb.run([options] { run(*options); });
}

}  // namespace weir::cli
