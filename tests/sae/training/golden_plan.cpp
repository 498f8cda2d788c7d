#include "tests/sae/training/golden_plan.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/golden.h"
#include "tests/support/read_all.h"
#include "weir/io/json.h"
#include "weir/sae/training/peer_names.h"

namespace weir {
namespace {

using nlohmann::json;

bool starts(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

// The longest beginning of the case's name that stands here says which trainer made it.
std::string preset_of(const std::string& name) {
  static const std::map<std::string, std::string> presets = {
      {"dl_standard", "dictionary_learning/standard"},
      {"dl_april", "dictionary_learning/april"},
      {"dl_april_new", "dictionary_learning/april_new"},
      {"dl_topk", "dictionary_learning/topk"},
      {"dl_batchtopk", "dictionary_learning/batchtopk"},
      {"dl_matryoshka", "dictionary_learning/matryoshka"},
      {"dl_gated", "dictionary_learning/gated"},
      {"dl_gated_anneal", "dictionary_learning/gated_anneal"},
      {"dl_jumprelu", "dictionary_learning/jumprelu"},
      {"dl_panneal", "dictionary_learning/p_anneal"},
      {"sl_standard", "saelens/standard"},
      {"sl_gated", "saelens/gated"},
      {"sl_jumprelu", "saelens/jumprelu"},
      {"sl_topk", "saelens/topk"},
      {"sl_batchtopk", "saelens/batchtopk"},
      {"sl_matryoshka", "saelens/matryoshka"},
      {"sl_abstopk", "saelens/abstopk"},
      {"sp_", "sparsify/topk"},
      {"sp_groupmax", "sparsify/groupmax"},
      {"sp_transcoder", "sparsify/transcoder"},
      {"attn_sae", "attention_saes/standard"},
      {"openai_step", "openai/topk"},
      {"vsae_topk", "vsae/topk"},
      {"vsae_masked_kl", "vsae/masked_kl"},
      {"vsae_iso", "vsae/iso"},
      {"vsae_batchtopk", "vsae/batchtopk"},
      {"vsae_jumprelu", "vsae/jumprelu"},
      {"vsae_gated", "vsae/gated"},
      {"vsae_panneal", "vsae/p_anneal"},
      {"vsae_matryoshka", "vsae/matryoshka"}};
  std::string best, found;
  for (const auto& [start, preset] : presets) {
    if (starts(name, start) && start.size() > best.size()) best = start, found = preset;
  }
  const bool has_bias = starts(name, "vsae_topk") && name.find("_bias") != std::string::npos;
  return has_bias ? "vsae/topk_bias" : found;
}

const json& variant() {
  static const json of = io::read_json(golden_topic("sae-train") / "variant.json");
  return of;
}

// Takes settings[key], where it is there, into *value.
template <typename Number>
void take(const json& settings, const char* key, Number* value) {
  if (settings.contains(key) && !settings.at(key).is_null()) *value = settings.at(key);
}

void take_widths(const json& settings, int64_t d_sae, SaeConfig& config) {
  if (settings.contains("matryoshka_widths")) {
    config.widths = settings.at("matryoshka_widths").get<std::vector<int64_t>>();
  } else if (settings.contains("group_sizes") && settings.at("group_sizes").is_array()) {
    int64_t end = 0;
    for (const int64_t size : settings.at("group_sizes")) config.widths.push_back(end += size);
  } else if (settings.contains("group_fractions")) {
    double end = 0;
    for (const double share : settings.at("group_fractions")) {
      config.widths.push_back(
          static_cast<int64_t>(std::lround((end += share) * static_cast<double>(d_sae))));
    }
  }
}

void take_sparsity(const std::string& name, const json& of, const json& first,
                   SaeTrainingSettings& s) {
  SparsitySettings& sparsity = s.sparsity;
  for (const char* key : {"l1_penalty", "sparsity_penalty", "l1_coefficient", "l0_coefficient",
                          "l1_coeff", "sparsity_coeff"}) {
    take(of, key, &sparsity.coefficient);
  }
  const bool is_dl = starts(name, "dl_");
  if (is_dl) take(first, "sparsity_coeff", &sparsity.coefficient);
  for (const char* key : {"sparsity_warmup_steps", "l1_warm_up_steps", "l0_warm_up_steps"}) {
    take(of, key, &sparsity.warmup);
  }
  take(of, "lp_norm", &sparsity.p);
  take(of, "target_l0", &sparsity.target);
  take(of, "bandwidth", &s.jump_relu.bandwidth);
  take(of, "jumprelu_bandwidth", &s.jump_relu.bandwidth);
  take(of, "jumprelu_ste_to_input", &s.jump_relu.reaches_input);
  take(of, "pre_act_loss_coefficient", &sparsity.pre_activation);
  const std::string mode = of.value("jumprelu_sparsity_loss_mode", "");
  if (mode == "tanh") sparsity.kind = SparsityKind::kTanh;
  if (mode == "quadratic") sparsity.kind = SparsityKind::kL0Quadratic;
  if (of.value("sparsity_function", "") == "Lp") sparsity.kind = SparsityKind::kNorm;
  if (s.anneal.start < 0) return;
  s.anneal.start = variant().at("anneal_start");
  s.anneal.end = variant().at("anneal_end");
  s.anneal.n_stages = variant().at("n_updates");
  take(of, "p_end", &s.anneal.last_p);
  s.anneal.queue = of.value("sparsity_queue_length", starts(name, "dl_gated") ? 3 : 10);
}

void take_rest(const json& of, SaeTrainingPlan& plan) {
  SaeTrainingSettings& s = plan.settings;
  take(of, "rescale_acts_by_decoder_norm", &plan.config.rescale_acts_by_decoder_norm);
  take(of, "auxk_alpha", &s.auxk.coefficient);
  take(of, "auxk_coef", &s.auxk.coefficient);
  take(of, "aux_loss_coefficient", &s.auxk.coefficient);
  take(of, "use_matryoshka_aux_loss", &s.auxk.each_level);
  take(of, "auxk", &s.auxk.k);
  for (const char* key :
       {"dead_feature_threshold", "dead_feature_window", "dead_steps_threshold"}) {
    take(of, key, &s.dead.threshold);
  }
  take(of, "mse_scale", &s.reconstruction_scale);
  if (of.value("multi_topk", false)) s.multi_topk = 1.0 / 8;
  if (of.contains("threshold_beta")) {
    s.threshold = {1 - of.at("threshold_beta").get<double>(), of.at("threshold_start_step"), false};
  }
  take(of, "topk_threshold_lr", &s.threshold.rate);
  take(of, "kl_coeff", &s.kl.coefficient);
  take(of, "kl_warmup_steps", &s.kl.warmup);
  if (plan.config.kind == "vsae_matryoshka") {  // Each group weighs the same.
    s.kl.factor = 1.0 / static_cast<double>(of.at("group_fractions").size());
  }
  if (of.contains("weights") && of.at("weights").is_array()) {
    s.level_weights = of.at("weights").get<std::vector<double>>();
  }
  if (of.value("optimizer", "") == "signum") {
    s.optimizer.kind = SaeOptimizerSettings::Kind::kSignum;
  }
  if (of.value("var_flag", 0) == 1) {
    plan.config.variational.variance = VariationalSaeConfig::Variance::kLearned;
  }
}

at::Tensor counters(const std::string& name, const Tensors& tensors, int64_t d_sae) {
  const auto given = tensors.find("init.stats_last_nonzero");
  if (given != tensors.end()) return given->second;
  const at::Tensor age = golden_sae_tensors("common").at("age");
  if (starts(name, "sl_")) return (age > 0).to(at::kLong) * 100;
  const bool counts = starts(name, "sp_") || name.find("topk") != std::string::npos ||
                      starts(name, "dl_matryoshka") || starts(name, "vsae_masked");
  return counts ? age : at::zeros({d_sae}, at::kLong);
}

}  // namespace

const json& golden_steps() {
  static const json all = io::read_json(golden_topic("sae-train") / "steps.json");
  return all;
}

std::vector<std::string> golden_step_cases() {
  std::vector<std::string> names;
  if (!std::filesystem::exists(golden_topic("sae-train") / "steps.json")) return names;
  for (const auto& [name, of] : golden_steps().at("cases").items()) {
    const auto file = golden_topic("sae-train") / (name + ".safetensors");
    if (of.contains("steps") && std::filesystem::exists(file)) names.push_back(name);
  }
  return names;
}

Tensors golden_sae_tensors(const std::string& name) {
  return read_all(golden_topic("sae-train") / (name + ".safetensors"));
}

Tensors golden_weights(const Tensors& tensors, const std::string& prefix) {
  Tensors found;
  for (const auto& [name, tensor] : tensors) {
    if (starts(name, prefix + ".")) found[name.substr(prefix.size() + 1)] = tensor.to(at::kDouble);
  }
  return from_peer_names(found);
}

Sae golden_start(const Tensors& common, SaeTrainingPlan* plan) {
  const auto as = [&](const char* name) { return common.at(name).to(at::kDouble); };
  Sae sae;
  sae.weights = {{"W_enc", as("w.enc").t()},
                 {"b_enc", as("w.b_enc")},
                 {"W_dec", as("w.dec_free")},
                 {"b_dec", as("w.b_dec")}};
  if (plan->config.variational.variance == VariationalSaeConfig::Variance::kLearned) {
    sae.weights["W_var"] = as("w.var_weight").t();
    sae.weights["b_var"] = as("w.var_bias");
  }
  plan->config.d_in = plan->config.d_out = sae.weight("b_dec").size(0);
  plan->config.d_sae = sae.weight("b_enc").size(0);
  plan->config.k = golden_steps().at("k").get<double>();
  sae.config = plan->config;
  return sae;
}

GoldenCase golden_case(const std::string& name) {
  const json& of = golden_steps().at("cases").at(name);
  const json& settings = of.at("settings");
  const Tensors tensors = golden_sae_tensors(name);
  GoldenCase made;
  made.plan = training_preset(preset_of(name));
  made.start.weights = golden_weights(tensors, "init");
  SaeConfig& config = made.plan.config;
  config.d_in = made.start.weight("W_enc").size(0);
  config.d_sae = made.start.weight("W_enc").size(1);
  config.d_out = made.start.weight("W_dec").size(1);
  const bool keeps_k = config.kind.find("topk") != std::string::npos || config.kind == "groupmax" ||
                       config.kind == "vsae_matryoshka";
  if (keeps_k) config.k = settings.value("k", golden_steps().at("k").get<double>());
  take_widths(settings, config.d_sae, config);
  take_sparsity(name, settings, of.at("steps").at(0), made.plan.settings);
  take_rest(settings, made.plan);
  if (starts(name, "vsae_masked") || starts(name, "vsae_batchtopk")) {
    made.plan.settings.dead.threshold = variant().at("dead");
  }
  const bool has_threshold = config.kind == "jumprelu" || config.kind == "vsae_jumprelu" ||
                             config.kind.find("batchtopk") == 0 ||
                             config.kind.find("matryoshka") == 0;
  if (!has_threshold) made.start.weights.erase("threshold");
  if (config.kind.find("gated") != std::string::npos && config.kind != "vsae_gated") {
    made.start.weights.erase("b_enc");
  }
  made.start.config = config;
  made.since_fired = counters(name, tensors, config.d_sae);
  made.averages = settings.value("optimizer", "") == "signum";
  return made;
}

}  // namespace weir
