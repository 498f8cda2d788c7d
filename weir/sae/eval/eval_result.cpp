#include "weir/sae/eval/eval_result.h"

#include <chrono>
#include <cmath>
#include <random>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/version.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/sae/eval/latent_geometry.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

using nlohmann::ordered_json;

double known(double value) { return std::isfinite(value) ? value : -1; }
/// Details have ten digits, as upstream's.
double rounded(double value) { return known(std::round(value * 1e10) / 1e10); }

std::string random_uuid() {
  std::random_device draw;
  std::string text = fmt::format("{:08x}{:08x}{:08x}{:08x}", draw(), draw(), draw(), draw());
  text[12] = '4';
  text[16] = "89ab"[draw() % 4];
  for (const size_t place : {8, 13, 18, 23}) text.insert(place, "-");
  return text;
}

ordered_json sae_config(const Sae& sae, const std::string& model) {
  const SaeConfig& config = sae.config;
  return {{"architecture", config.kind},
          {"d_in", config.d_in},
          {"d_sae", config.d_sae},
          {"k", config.k},
          {"hook_name", config.hook},
          {"model_name", config.model.empty() ? model : config.model},
          {"context_size", config.context_size},
          {"apply_b_dec_to_input", config.apply_b_dec_to_input},
          {"normalize_activations", std::string(to_string(config.normalisation))},
          {"dtype", config.dtype}};
}

at::Tensor encoder_rows(const Sae& sae) {
  return sae.find("W_enc").defined() ? flat_encoder(sae).t().contiguous() : at::Tensor();
}

at::Tensor encoder_bias(const Sae& sae) {
  for (const char* name : {"b_enc", "b_mag"}) {
    if (sae.find(name).defined()) return sae.find(name);
  }
  return at::zeros({sae.config.d_sae});
}

/// What upstream tells of each latent's weights, [F] each; NaN without an encoder.
struct Geometry {
  at::Tensor bias, norm, encoder_decoder, max_encoder, max_decoder;
};
Geometry geometry_of(const Sae& sae) {
  const at::Tensor encoder = encoder_rows(sae), decoder = flat_decoder(sae);
  const at::Tensor none = at::full({sae.config.d_sae}, NAN);
  Geometry geometry{encoder_bias(sae), none, none, none, max_cosine(decoder)};
  if (!encoder.defined()) return geometry;
  geometry.norm = encoder.to(at::kFloat).norm(2, 1);
  geometry.max_encoder = max_cosine(encoder);
  if (encoder.sizes() == decoder.sizes()) {
    geometry.encoder_decoder = row_cosines(encoder, decoder);
  }
  return geometry;
}

double mean_of(const at::Tensor& values) { return values.to(at::kDouble).mean().item<double>(); }

}  // namespace

ordered_json eval_document(const std::string& type, const EvalSubject& subject, const Sae& sae,
                           const ordered_json& config, const ordered_json& metrics,
                           const ordered_json& details, const ordered_json& unstructured) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {
      {"eval_type_id", type},
      {"eval_config", config},
      {"eval_id", random_uuid()},
      {"datetime_epoch_millis", std::chrono::duration_cast<std::chrono::milliseconds>(now).count()},
      {"eval_result_metrics", metrics},
      {"eval_result_details", details},
      {"sae_bench_commit_hash", "weir " + std::string(version())},
      {"sae_lens_id", subject.id},
      {"sae_lens_release_id", subject.release},
      {"sae_lens_version", "weir " + std::string(version())},
      {"sae_cfg_dict", sae_config(sae, subject.model)},
      {"eval_result_unstructured", unstructured}};
}

ordered_json core_metrics(const CoreEvaluation& evaluation, const Sae& sae, uint64_t seed) {
  const ReconstructionScores& scores = evaluation.reconstruction;
  const LatentCounts& counts = evaluation.counts;
  const auto value = [&](const char* key) { return known(evaluation.by_prompt.at(key).value()); };
  ordered_json metrics;
  metrics["model_behavior_preservation"] = {{"kl_div_score", value("kl_recovered")},
                                            {"kl_div_with_ablation", value("kl_zero")},
                                            {"kl_div_with_sae", value("kl_sae")}};
  metrics["model_performance_preservation"] = {{"ce_loss_score", value("ce_recovered")},
                                               {"ce_loss_with_ablation", value("ce_zero")},
                                               {"ce_loss_with_sae", value("ce_sae")},
                                               {"ce_loss_without_sae", value("ce_clean")}};
  metrics["reconstruction_quality"] = {{"explained_variance", known(scores.ev_saebench)},
                                       {"explained_variance_legacy", known(scores.ev_legacy)},
                                       {"mse", known(scores.mse_saebench)},
                                       {"cossim", known(scores.cossim)}};
  metrics["shrinkage"] = {
      {"l2_norm_in", known(scores.l2_norm_in)},
      {"l2_norm_out", known(scores.l2_norm_out)},
      {"l2_ratio", known(scores.l2_ratio)},
      {"relative_reconstruction_bias", known(scores.relative_reconstruction_bias)}};
  metrics["sparsity"] = {{"l0", known(counts.l0())}, {"l1", known(counts.l1())}};
  metrics["token_stats"] = {{"total_tokens_eval_reconstruction", evaluation.n_loss_tokens},
                            {"total_tokens_eval_sparsity_variance", counts.n_tokens()}};
  const Geometry geometry = geometry_of(sae);
  metrics["misc_metrics"] = {
      {"freq_over_1_percent", known(counts.share_above(0.01))},
      {"freq_over_10_percent", known(counts.share_above(0.1))},
      {"normalized_freq_over_1_percent", known(counts.firings_above(0.01))},
      {"normalized_freq_over_10_percent", known(counts.firings_above(0.1))},
      {"average_max_encoder_cosine_sim", known(mean_of(geometry.max_encoder))},
      {"average_max_decoder_cosine_sim", known(mean_of(geometry.max_decoder))},
      {"frac_alive", known(counts.share_above(0))}};
  ordered_json& own = metrics["weir_core"];
  for (const auto& [key, ratio] : evaluation.by_prompt) {
    const MeanInterval interval = ratio.interval(seed);
    own[key] = known(interval.mean);
    own[key + "_low"] = known(interval.low);
    own[key + "_high"] = known(interval.high);
  }
  own["ev_centred"] = known(scores.ev_centred);
  own["ev_uncentred"] = known(scores.ev_uncentred);
  own["mse_mean"] = known(scores.mse_mean);
  own["relative_bias_total"] = known(scores.relative_bias_total);
  own["l1_abs"] = known(counts.l1_abs());
  own["alive_tenth"] = known(counts.share_alive(0.1));
  own["alive_half"] = known(counts.share_alive(0.5));
  own["alive_tokens"] = counts.n_tokens();
  const TokenCounts& left_out = evaluation.left_out;
  own["tokens_left_out"] = {{"first_positions", left_out.positions},
                            {"by_id", left_out.by_id},
                            {"by_norm", left_out.outliers},
                            {"of", left_out.n_tokens}};
  return metrics;
}

ordered_json core_details(const CoreEvaluation& evaluation, const Sae& sae) {
  const Geometry geometry = geometry_of(sae);
  const auto density = to_doubles(evaluation.counts.density());
  const auto firings = to_doubles(evaluation.counts.firings_per_prompt());
  const auto bias = to_doubles(geometry.bias), norm = to_doubles(geometry.norm);
  const auto both = to_doubles(geometry.encoder_decoder);
  const auto decoder = to_doubles(geometry.max_decoder), encoder = to_doubles(geometry.max_encoder);
  ordered_json details = ordered_json::array();
  for (size_t j = 0; j < density.size(); ++j) {
    details.push_back({{"index", j},
                       {"feature_density", rounded(density[j])},
                       {"consistent_activation_heuristic", rounded(firings[j])},
                       {"encoder_bias", rounded(bias[j])},
                       {"encoder_norm", rounded(norm[j])},
                       {"encoder_decoder_cosine_sim", rounded(both[j])},
                       {"max_decoder_cosine_sim", rounded(decoder[j])},
                       {"max_encoder_cosine_sim", rounded(encoder[j])}});
  }
  return details;
}

std::string eval_file_name(const EvalSubject& subject) {
  std::string name = subject.release + "_" + subject.id + "_eval_results.json";
  for (char& c : name) c = c == '/' ? '_' : c;
  return name;
}

std::filesystem::path save_eval(const ordered_json& document, const EvalSubject& subject,
                                const std::filesystem::path& folder) {
  const auto place = folder / document.at("eval_type_id").get<std::string>();
  std::filesystem::create_directories(place);
  const auto file = place / eval_file_name(subject);
  io::write_file(file, io::dump_json(document, 2) + "\n");
  return file;
}

}  // namespace weir
