#include <chrono>
#include <map>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/patch_result.h"
#include "apps/cli/prompt_source.h"
#include "apps/cli/token_source.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"
#include "weir/tensor/rank_correlation.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct PatchVerb {
  ModelOptions model;
  OutputOptions output;
  PromptOptions prompts;
  std::string kind = "resid_pre", direction = "auto", method = "exact", metric = "logit_diff";
  std::string value = "per_prompt", scope = "auto", vector, save;
  bool freeze_mlps = false;
};

const std::map<std::string, PatchValue> kValues = {{"per_prompt", PatchValue::kPerPrompt},
                                                   {"mean", PatchValue::kMean},
                                                   {"zero", PatchValue::kZero},
                                                   {"resample", PatchValue::kResample}};
const std::map<std::string, PatchScope> kScopes = {{"auto", PatchScope::kPosition},
                                                   {"position", PatchScope::kPosition},
                                                   {"all", PatchScope::kAll},
                                                   {"end", PatchScope::kEnd},
                                                   {"edge", PatchScope::kEdge}};

PatchDirection direction_of(const PatchVerb& verb) {
  const bool is_denoise =
      verb.direction == "auto" ? !is_path_kind(verb.kind) : verb.direction == "denoise";
  return is_denoise ? PatchDirection::kDenoise : PatchDirection::kNoise;
}

void check(const PatchVerb& verb) {
  const bool is_path = is_path_kind(verb.kind), is_exact = verb.method == "exact";
  require_usage(is_exact || !is_path, "--method: expected exact for paths");
  require_usage(is_exact || verb.value == "per_prompt",
                "--value: expected per_prompt for estimates by gradients");
  require_usage(is_exact || verb.metric != "rank",
                "--metric: a rank has no gradient; expected another one, or --method exact");
  require_usage(verb.scope != "edge" || verb.kind == "head_pattern",
                "--scope: expected the kind head_pattern for edges");
  require_usage(!is_path || verb.scope == "auto" || verb.scope == "all" || verb.scope == "end",
                "--scope: expected all or end for paths");
  require_usage((verb.metric == "vector") == !verb.vector.empty(),
                "--vector goes with --metric vector");
  require_usage(!is_path || verb.metric != "vector",
                "--metric: expected one that needs no vector for paths");
  require_usage(is_path || !verb.freeze_mlps, "--freeze-mlps goes with paths");
}

/// Each prompt receives the values of the next one, the last those of the first.
at::Tensor next_prompt(int64_t n) { return at::arange(1, n + 1, at::kLong).remainder(n); }

/// An estimate of single entries as one of the scope: changes by gradients add up.
NamedEffects at_scope(NamedEffects found, PatchScope scope) {
  if (scope == PatchScope::kEdge) return found;
  for (size_t axis = found.axes.size(); axis-- > 1;) {
    const std::string& name = found.axes[axis];
    const bool is_summed = name == "key" || (scope != PatchScope::kPosition &&
                                             (name == "position" || name == "query"));
    if (!is_summed) continue;
    const auto at = static_cast<int64_t>(axis);
    found.effect = scope == PatchScope::kEnd && name != "key" ? found.effect.select(at, -1)
                                                              : found.effect.sum(at);
    found.axes.erase(found.axes.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  return found;
}

PatchResult patch_grids(const LanguageModel& lm, const PatchPairs& pairs, const PatchVerb& verb) {
  GridOptions options;
  options.kind = verb.kind;
  options.direction = direction_of(verb);
  options.value = kValues.at(verb.value);
  options.scope = kScopes.at(verb.scope);
  options.readings = {reading_of(verb.metric)};
  if (!verb.vector.empty()) options.vector = read_named(verb.vector, "vector");
  if (options.value == PatchValue::kResample) {
    options.resample = next_prompt(pairs.clean.tokens.size(0));
  }
  const Reading reading = options.readings.front();
  PatchResult result;
  const auto add = [&](const PatchGrid& grid, const std::string& suffix) {
    NamedEffects found{grid.effect(reading), grid.axes};
    if (grid.is_estimate) found = at_scope(std::move(found), options.scope);
    result.effects.emplace_back("effect" + suffix, std::move(found));
    result.readings.emplace_back((grid.is_estimate ? "estimated_change" : "patched") + suffix,
                                 grid.readings.at(reading));
    if (result.readings.size() > 1) return;
    result.readings.emplace_back("base", grid.base.at(reading));
    result.readings.emplace_back("goal", grid.goal.at(reading));
  };
  if (verb.method != "exact") {
    add(attribution_grids(lm, pairs, {verb.kind}, options).at(verb.kind), "");
  }
  if (verb.method != "attribution") {
    add(patch_grid(lm, pairs, options), verb.method == "both" ? "_exact" : "");
  }
  if (verb.method == "both") {
    result.rank_correlation =
        spearman(result.effects[0].second.effect, result.effects[1].second.effect);
  }
  return result;
}

PatchResult patch_any(const LanguageModel& lm, const PatchPairs& pairs, const PatchVerb& verb) {
  if (!is_path_kind(verb.kind)) return patch_grids(lm, pairs, verb);
  PathOptions options;
  options.value = sender_value_of(verb.value == "mean" ? "mean_at_role" : verb.value);
  options.freeze_mlps = verb.freeze_mlps;
  options.everywhere = verb.scope != "end" && verb.kind != "path_final" && verb.kind != "path_mlp";
  options.readings = {reading_of(verb.metric)};
  options.resample = next_prompt(pairs.clean.tokens.size(0));
  return patch_paths(lm, pairs, verb.kind, direction_of(verb), options);
}

std::vector<std::pair<std::string, std::string>> settings(const PatchVerb& verb) {
  const bool is_denoise = direction_of(verb) == PatchDirection::kDenoise;
  return {{"kind", verb.kind},     {"direction", is_denoise ? "denoise" : "noise"},
          {"method", verb.method}, {"metric", verb.metric},
          {"value", verb.value},   {"scope", verb.scope}};
}

ordered_json result_json(const PatchVerb& verb, const PatchResult& found,
                         const std::vector<std::string>& positions) {
  ordered_json result;
  for (const auto& [name, value] : settings(verb)) result[name] = value;
  result["axes"] = found.effects.front().second.axes;
  result["positions"] = positions;
  for (const auto& [name, effects] : found.effects) {
    result[name] = to_json(effects.effect);
    if (effects.axes != found.effects.front().second.axes) result[name + "_axes"] = effects.axes;
  }
  for (const auto& [name, values] : found.readings) {
    if (name == "base" || name == "goal") result[name] = to_json(values);
  }
  if (found.rank_correlation) result["rank_correlation"] = *found.rank_correlation;
  return result;
}

void save(const PatchVerb& verb, const PatchResult& found,
          const std::vector<std::string>& positions) {
  std::vector<io::TensorView> views;
  std::map<std::string, std::string> metadata = {{"positions", ordered_json(positions).dump()}};
  for (const auto& [name, value] : settings(verb)) metadata[name] = value;
  for (const auto& [name, effects] : found.effects) {
    views.push_back(to_view(name, effects.effect));
    const std::string axes = fmt::format("{}", fmt::join(effects.axes, ", "));
    metadata[name == "effect" ? "axes" : name + "_axes"] = axes;
  }
  for (const auto& [name, values] : found.readings) views.push_back(to_view(name, values));
  io::write_safetensors(verb.save, views, metadata);
}

Report report_of(const PatchVerb& verb, const PatchResult& found,
                 const std::vector<std::string>& positions) {
  Report report;
  report.title = "Patching " + verb.kind;
  const auto mean = [&](const char* name) {
    for (const auto& [key, values] : found.readings) {
      if (key == name) return values.to(at::kDouble).mean().item<double>();
    }
    fail(ErrorCode::kInternal, "patch: no {}", name);
  };
  std::string text = fmt::format(
      "{}: {:.4f} in the run that is patched (effect 0), {:.4f} in the run that gives the values "
      "(effect 1).",
      verb.metric, mean("base"), mean("goal"));
  if (found.rank_correlation) {
    text += fmt::format(" Rank correlation of estimated and exact effects: {:.4f}.",
                        *found.rank_correlation);
  }
  report.blocks.push_back(TextBlock{"What an effect is", text});
  for (const auto& [name, effects] : found.effects) {
    std::string title = verb.kind;
    if (verb.method == "both") title += name == "effect" ? ", by gradients" : ", exact";
    if (name == "effect_mlps") title += ", MLPs as senders";
    for (Block& block : effect_blocks(title, effects, positions, "effect")) {
      report.blocks.push_back(std::move(block));
    }
  }
  return report;
}

void patch(const PatchVerb& verb) {
  check(verb);
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const PromptSet set = read_prompts(verb.prompts, lm);
  const PatchPairs pairs = pairs_of(set);
  const PatchResult found = patch_any(lm, pairs, verb);
  const auto positions = position_names(
      lm, direction_of(verb) == PatchDirection::kDenoise ? pairs.corrupt : pairs.clean);
  if (!verb.save.empty()) save(verb, found, positions);
  Report report = report_of(verb, found, positions);
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.extra = settings(verb);
  report.provenance.extra.emplace_back("prompts", fmt::format("{} of {}", set.size(), set.task));
  show(std::move(report), verb.output, result_json(verb, found, positions));
}

}  // namespace

void add_patch(Verb& weir) {
  auto options = std::make_shared<PatchVerb>();
  Verb& verb = weir.verb(
      {"patch",
       "puts activations of one run into another and reads what changes",
       "Pairs of prompts: one activation of the run that is patched becomes that of the other run. "
       "An effect is 0 when nothing changes and 1 when the other run's reading is reached, both as "
       "means over prompts. Paths: one head or MLP writes something else and only the receiver "
       "hears of it.",
       {"weir patch smollm2-135m --task country_capital_city --kind head_z --html patch.html",
        "weir patch smollm2-135m --task ioi -n 16 --kind path_final --metric pi",
        "weir patch MODEL --pairs pairs.safetensors --kind mlp_out --method both --save out"}});
  add_model_options(verb, options->model);
  add_prompt_options(verb, options->prompts);
  options->prompts.task.needs_pairs = true;
  verb.choice("--kind", &options->kind,
              {"resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "head_z", "head_q",
               "head_k", "head_v", "head_pattern", "path_final", "path_q", "path_k", "path_v",
               "path_mlp"},
              "What is patched; of paths, who receives")
      .choice("--direction", &options->direction, {"auto", "denoise", "noise"},
              "denoise: clean values into the corrupt run; auto: denoise, for paths noise")
      .choice("--method", &options->method, {"exact", "attribution", "both"},
              "attribution: all entries from one gradient; both: and their rank correlation")
      .choice("--metric", &options->metric,
              {"logit_diff", "logprob", "prob", "rank", "kl", "pi", "vector"},
              "The reading at the last position; pi: logit minus mean logit")
      .option("--vector", &options->vector, "F[:KEY]", "A vector over the vocabulary")
      .choice("--value", &options->value, {"per_prompt", "mean", "zero", "resample"},
              "What stands in its place; resample: the next prompt's")
      .choice("--scope", &options->scope, {"auto", "position", "all", "end", "edge"},
              "How much at once; auto: a position (a query of patterns); paths to heads: all")
      .flag("--freeze-mlps", &options->freeze_mlps, "Paths: MLPs on the way keep their values");
  add_output_file(verb, "--save", &options->save, "OUT.safetensors",
                  "effect, with its axes as metadata, and readings by prompt");
  add_output_options(verb, options->output);
  verb.run([options] { patch(*options); });
}

}  // namespace weir::cli
