#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/sae/options.h"
#include "apps/cli/sae/sae_verbs.h"
#include "weir/report/report.h"
#include "weir/sae/dashboard/latent_effects.h"
#include "weir/sae/dashboard/prompt_latents.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct FeaturesVerb {
  SaeOptions sae;
  ModelOptions model;
  TextOptions prompt;
  PromptLatentOptions latents;
  int64_t n_tokens = 5;
  OutputOptions output;
};

std::string token_list(const LanguageModel& lm,
                       const std::vector<std::pair<int64_t, double>>& tokens) {
  std::string text;
  for (const auto& [token, weight] : tokens) {
    text += (text.empty() ? "" : " ") + fmt::format("'{}'", lm.token_text(token));
  }
  return text;
}

ordered_json token_json(const LanguageModel& lm,
                        const std::vector<std::pair<int64_t, double>>& tokens) {
  ordered_json list = ordered_json::array();
  for (const auto& [token, weight] : tokens) {
    list.push_back({{"token", token}, {"text", lm.token_text(token)}, {"weight", weight}});
  }
  return list;
}

// A row a token: its latents, the largest first.
TableBlock token_table(const LanguageModel& lm, const PromptLatents& found) {
  TableBlock table{
      "Latents of each token", {"position", "token", "fire", "explained", "latents"}, {}, ""};
  for (size_t t = 0; t < found.tokens.size(); ++t) {
    std::string fired;
    for (const auto& [latent, value] : found.by_token[t]) {
      fired += (fired.empty() ? "" : ", ") + fmt::format("{} ({:.3g})", latent, value);
    }
    table.rows.push_back({static_cast<int64_t>(t), lm.token_text(found.tokens[t]),
                          found.n_active[t], found.explained[t], fired});
  }
  table.note = "explained: 1 - |x - reconstruction|^2 / |x|^2";
  return table;
}

void features(const FeaturesVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const SaeFile file = load(verb.sae);
  ModelOptions model = verb.model;
  if (model.model.empty()) model.model = file.sae.config.model;
  require_usage(!model.model.empty(),
                "--model: expected, as the dictionary does not name the model it belongs to");
  const std::string prompt = read_some_text(verb.prompt);
  const LanguageModel lm = load(model, "none", verb.output.is_kept());
  const std::vector<int64_t> tokens = lm.tokenizer().encode(prompt).ids;
  const PromptLatents found = prompt_latents(lm, file.sae, tokens, verb.latents);
  EffectOptions effects;
  effects.n_tokens = verb.n_tokens;
  effects.n_nearest = 0;
  const EffectFinder finder(lm, file.sae, effects);
  TableBlock table{
      "Latents of the prompt", {"latent", "largest", "on", "promotes", "suppresses"}, {}, ""};
  PassagesBlock passages{"Where they fire", "activation", {}, 0};
  ordered_json latents = ordered_json::array(), by_token = ordered_json::array();
  std::vector<std::string> texts;
  for (const int64_t token : tokens) texts.push_back(lm.tokenizer().decode({token}));
  for (size_t i = 0; i < found.latents.size(); ++i) {
    const int64_t latent = found.latents[i];
    const std::vector<double>& values = found.values[i];
    const auto larger = [](double a, double b) { return std::abs(a) < std::abs(b); };
    const auto ranked =
        values.begin() + std::min<std::ptrdiff_t>(verb.latents.n_unranked,
                                                  static_cast<std::ptrdiff_t>(values.size()) - 1);
    const auto top = std::max_element(ranked, values.end(), larger);
    const auto position = static_cast<size_t>(top - values.begin());
    const LatentEffects effect = finder.find(latent, 1).at(0);
    table.rows.push_back({latent, *top, lm.token_text(tokens[position]),
                          token_list(lm, effect.promoted), token_list(lm, effect.suppressed)});
    passages.passages.push_back({std::to_string(latent), texts, values});
    latents.push_back({{"latent", latent},
                       {"largest", *top},
                       {"position", position},
                       {"values", values},
                       {"promoted", token_json(lm, effect.promoted)},
                       {"suppressed", token_json(lm, effect.suppressed)}});
  }
  for (size_t t = 0; t < tokens.size(); ++t) {
    ordered_json fired = ordered_json::array();
    for (const auto& [latent, value] : found.by_token[t]) {
      fired.push_back({{"latent", latent}, {"value", value}});
    }
    by_token.push_back({{"position", t},
                        {"token", tokens[t]},
                        {"text", lm.token_text(tokens[t])},
                        {"l0", found.n_active[t]},
                        {"explained", found.explained[t]},
                        {"latents", fired}});
  }
  Report report{"Latents of a prompt", provenance(lm, model, seconds_since(start)), {}};
  report.blocks = {std::move(table), std::move(passages), token_table(lm, found)};
  show(std::move(report), verb.output,
       {{"hook", file.sae.config.hook}, {"tokens", by_token}, {"latents", latents}});
}

}  // namespace

void add_sae_features(Verb& sae) {
  auto options = std::make_shared<FeaturesVerb>();
  Verb& verb = sae.verb(
      {"features",
       "shows which latents fire on a prompt, and what they promote",
       "For each token its largest latents; for the prompt's largest latents where they fire and "
       "the "
       "tokens whose logits they raise and lower directly. To steer or ablate them: weir generate "
       "--sae SAE --latent J*0.",
       {"weir sae features my-sae 'The Eiffel Tower is in' --model smollm2-135m",
        "weir generate smollm2-135m 'The Eiffel Tower is in' --sae my-sae --latent 417=8"}});
  add_sae_options(verb, options->sae);
  add_text_options(verb, options->prompt, "PROMPT", "The text; - reads stdin");
  verb.option("--model", &options->model.model, "MODEL",
              "The model it belongs to, when the dictionary does not name one of the store")
      .option("--per-token", &options->latents.n_per_token, "N", "Latents listed for a token", {1})
      .option("--latents", &options->latents.n_latents, "N", "Latents listed for the prompt", {1})
      .option("--top-k", &options->n_tokens, "K", "Tokens that a latent promotes", {1})
      .option("--unranked", &options->latents.n_unranked, "N",
              "Positions at the start that do not rank latents", {0});
  add_output_options(verb, options->output);
  verb.run([options] { features(*options); });
}

}  // namespace weir::cli
