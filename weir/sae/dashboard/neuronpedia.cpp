#include "weir/sae/dashboard/neuronpedia.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/version.h"
#include "weir/io/atomic_file.h"
#include "weir/io/gzip.h"
#include "weir/io/json.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

using nlohmann::ordered_json;
using Pairs = std::vector<std::pair<int64_t, double>>;

ordered_json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::round(value * 1000) / 1000;
}

template <typename Numbers>
ordered_json rounded_list(const Numbers& values) {
  ordered_json list = ordered_json::array();
  for (const auto value : values) list.push_back(rounded(value));
  return list;
}

ordered_json firsts(const Pairs& pairs) {
  ordered_json list = ordered_json::array();
  for (const auto& pair : pairs) list.push_back(pair.first);
  return list;
}
ordered_json seconds(const Pairs& pairs) {
  ordered_json list = ordered_json::array();
  for (const auto& pair : pairs) list.push_back(rounded(pair.second));
  return list;
}

ordered_json texts(const LanguageModel& lm, const Pairs& pairs) {
  ordered_json list = ordered_json::array();
  for (const auto& pair : pairs) list.push_back(lm.token_text(pair.first));
  return list;
}

ordered_json middles(const std::vector<double>& edges) {
  ordered_json list = ordered_json::array();
  for (size_t i = 1; i < edges.size(); ++i) list.push_back(rounded((edges[i - 1] + edges[i]) / 2));
  return list;
}

// What both forms say of a latent, under the names that both use.
ordered_json shared_fields(const LanguageModel& lm, const LatentView& view) {
  const LatentFacts& facts = view.facts;
  const LatentEffects& effects = view.effects;
  ordered_json shares = ordered_json::array();
  for (const auto& neuron : effects.neurons) {
    shares.push_back(rounded(std::abs(neuron.second) / effects.neuron_l1));
  }
  return {{"neuron_alignment_indices", firsts(effects.neurons)},
          {"neuron_alignment_values", seconds(effects.neurons)},
          {"neuron_alignment_l1", shares},
          {"correlated_neurons_indices", ordered_json::array()},
          {"correlated_neurons_l1", ordered_json::array()},
          {"correlated_neurons_pearson", ordered_json::array()},
          {"correlated_features_indices", firsts(facts.together)},
          {"correlated_features_l1", ordered_json::array()},
          {"correlated_features_pearson", seconds(facts.together)},
          {"neg_str", texts(lm, effects.suppressed)},
          {"neg_values", seconds(effects.suppressed)},
          {"pos_str", texts(lm, effects.promoted)},
          {"pos_values", seconds(effects.promoted)},
          {"frac_nonzero", facts.density},
          {"freq_hist_data_bar_heights", facts.bin_counts},
          {"freq_hist_data_bar_values", middles(facts.bin_edges)},
          {"logits_hist_data_bar_heights", effects.bin_counts},
          {"logits_hist_data_bar_values", middles(effects.bin_edges)},
          {"decoder_weights_dist", ordered_json::array()}};
}

struct Activation {
  const LatentExample* example;
  double low, high, share;
};

// The strongest first, whose interval is marked by -1.
std::vector<Activation> activations_of(const LatentFacts& facts) {
  std::vector<Activation> all;
  for (const LatentExample& example : facts.top) all.push_back({&example, -1, -1, -1});
  for (const ExampleInterval& interval : facts.intervals) {
    for (const LatentExample& example : interval.examples) {
      all.push_back({&example, interval.low, interval.high, interval.share});
    }
  }
  return all;
}

ordered_json token_texts(const LanguageModel& lm, const LatentExample& example) {
  ordered_json list = ordered_json::array();
  for (const int32_t token : example.tokens) list.push_back(lm.token_text(token));
  return list;
}

ordered_json batch_feature(const LanguageModel& lm, const LatentEvents& events,
                           const LatentView& view, const NeuronpediaOptions& options) {
  ordered_json feature = {{"feature_index", view.facts.latent}};
  feature.update(shared_fields(lm, view));
  feature["n_prompts_total"] = events.n_contexts();
  feature["n_tokens_in_prompt"] = events.context_length();
  feature["dataset"] = options.dataset;
  feature["activations"] = ordered_json::array();
  for (const Activation& activation : activations_of(view.facts)) {
    const LatentExample& example = *activation.example;
    feature["activations"].push_back(
        {{"bin_min", rounded(activation.low)},
         {"bin_max", rounded(activation.high)},
         {"bin_contains", rounded(activation.share)},
         {"tokens", token_texts(lm, example)},
         {"values", rounded_list(example.values)},
         {"qualifying_token_index", example.position - example.first}});
  }
  return feature;
}

std::string feature_row(const LanguageModel& lm, const Sae& sae, const LatentView& view,
                        const NeuronpediaOptions& options, const std::string& source) {
  ordered_json row = {{"modelId", options.model_id},
                      {"layer", source},
                      {"index", std::to_string(view.facts.latent)},
                      {"sourceSetName", options.source_set},
                      {"creatorId", options.creator},
                      {"createdAt", options.created_at},
                      {"maxActApprox", rounded(view.facts.largest)},
                      {"hasVector", options.vectors}};
  row["vector"] = ordered_json::array();
  if (options.vectors) {
    row["vector"] = to_doubles(flat_decoder(sae)[view.facts.latent].to(at::kFloat));
  }
  row["vectorLabel"] = nullptr;
  row["vectorDefaultSteerStrength"] = 10;
  row["hookName"] = options.hook;
  row["topkCosSimIndices"] = firsts(view.effects.nearest);
  row["topkCosSimValues"] = seconds(view.effects.nearest);
  row.update(shared_fields(lm, view));
  return io::dump_json(row) + "\n";
}

std::string activation_rows(const LanguageModel& lm, const LatentView& view,
                            const NeuronpediaOptions& options, const std::string& source) {
  std::string rows;
  int64_t number = 0;
  for (const Activation& activation : activations_of(view.facts)) {
    const LatentExample& example = *activation.example;
    const auto [least, most] = std::minmax_element(example.values.begin(), example.values.end());
    const ordered_json row = {
        {"id", fmt::format("{}-{}-{}-{}", options.model_id, source, view.facts.latent, number++)},
        {"tokens", token_texts(lm, example)},
        {"modelId", options.model_id},
        {"layer", source},
        {"index", std::to_string(view.facts.latent)},
        {"maxValue", rounded(*most)},
        {"maxValueTokenIndex", most - example.values.begin()},
        {"minValue", rounded(*least)},
        {"values", rounded_list(example.values)},
        {"creatorId", options.creator},
        {"dataSource", options.dataset},
        {"dataIndex", std::to_string(example.context)},
        {"dfaValues", ordered_json::array()},
        {"dfaTargetIndex", nullptr},
        {"dfaMaxValue", nullptr},
        {"createdAt", options.created_at},
        {"lossValues", ordered_json::array()},
        {"logitContributions", nullptr},
        {"binMin", rounded(activation.low)},
        {"binMax", rounded(activation.high)},
        {"binContains", rounded(activation.share)},
        {"qualifyingTokenIndex", example.position - example.first}};
    rows += io::dump_json(row) + "\n";
  }
  return rows;
}

void write_heads(const LanguageModel& lm, const LatentEvents& events,
                 const NeuronpediaOptions& options, const std::string& source,
                 const std::filesystem::path& folder) {
  const ModelConfig& config = lm.config();
  const auto line = [&](const char* file, const ordered_json& row) {
    io::write_file(folder / file, io::dump_json(row) + "\n");
  };
  const std::string release = options.model_id + "-" + options.source_set;
  line("release.jsonl", {{"name", release},
                         {"description", "Dictionary of " + options.hook},
                         {"creatorName", options.creator},
                         {"creatorId", options.creator},
                         {"createdAt", options.created_at}});
  line("model.jsonl", {{"id", options.model_id},
                       {"displayName", options.model_id},
                       {"displayNameShort", options.model_id},
                       {"creatorId", options.creator},
                       {"tlensId", options.model_id},
                       {"dimension", config.d_model},
                       {"visibility", "PUBLIC"},
                       {"defaultSourceSetName", options.source_set},
                       {"defaultSourceId", source},
                       {"inferenceEnabled", false},
                       {"instruct", false},
                       {"layers", config.n_layers},
                       {"neuronsPerLayer", config.d_mlp},
                       {"owner", options.creator},
                       {"website", nullptr},
                       {"createdAt", options.created_at}});
  line("sourceset.jsonl", {{"modelId", options.model_id},
                           {"name", options.source_set},
                           {"hasDashboards", true},
                           {"visibility", "PUBLIC"},
                           {"description", options.hook},
                           {"type", options.hook},
                           {"creatorName", options.creator},
                           {"creatorId", options.creator},
                           {"releaseName", release},
                           {"createdAt", options.created_at}});
  line("source.jsonl", {{"modelId", options.model_id},
                        {"id", source},
                        {"setName", options.source_set},
                        {"hookName", options.hook},
                        {"hasDashboards", true},
                        {"visibility", "PUBLIC"},
                        {"inferenceEnabled", false},
                        {"creatorId", options.creator},
                        {"dataset", options.dataset},
                        {"num_prompts", events.n_contexts()},
                        {"num_tokens_in_prompt", events.context_length()},
                        {"notes", "written by weir " + std::string(version())},
                        {"createdAt", options.created_at}});
}

}  // namespace

void write_neuronpedia(const LanguageModel& lm, const Sae& sae, const LatentEvents& events,
                       const std::vector<LatentView>& views, const NeuronpediaOptions& options,
                       const std::filesystem::path& folder) {
  const std::string source = fmt::format("{}-{}", options.layer, options.source_set);
  const std::filesystem::path exported = folder / "export" / options.model_id / source;
  for (const char* part : {"features", "activations"}) {
    std::filesystem::create_directories(exported / part);
  }
  ordered_json skipped = ordered_json::array();
  const auto n = static_cast<int64_t>(views.size());
  for (int64_t first = 0; first < n; first += options.batch) {
    ordered_json batch = {{"model_id", options.model_id},
                          {"layer", options.layer},
                          {"sae_set", options.source_set},
                          {"sae_id_suffix", nullptr},
                          {"features", ordered_json::array()}};
    std::string features, activations;
    for (int64_t i = first; i < std::min(first + options.batch, n); ++i) {
      const LatentView& view = views[static_cast<size_t>(i)];
      features += feature_row(lm, sae, view, options, source);
      activations += activation_rows(lm, view, options, source);
      if (view.facts.n_fired == 0) {
        skipped.push_back(i);
      } else {
        batch["features"].push_back(batch_feature(lm, events, view, options));
      }
    }
    const int64_t number = first / options.batch;
    io::write_file(folder / fmt::format("batch-{}.json", number), io::dump_json(batch) + "\n");
    const std::string name = fmt::format("batch-{}.jsonl.gz", number);
    io::write_file(exported / "features" / name, io::gzip(features));
    io::write_file(exported / "activations" / name, io::gzip(activations));
  }
  io::write_file(folder / "skipped_indexes.json",
                 io::dump_json(ordered_json{{"model_id", options.model_id},
                                            {"layer", std::to_string(options.layer)},
                                            {"sae_set", options.source_set},
                                            {"skipped_indexes", skipped}}) +
                     "\n");
  io::write_file(folder / "run_settings.json",
                 io::dump_json(ordered_json{{"n_prompts_total", events.n_contexts()},
                                            {"n_tokens_in_prompt", events.context_length()},
                                            {"n_features_per_batch", options.batch},
                                            {"dataset", options.dataset},
                                            {"hook_point", options.hook},
                                            {"version", version()}},
                               1) +
                     "\n");
  write_heads(lm, events, options, source, exported);
}

}  // namespace weir
