#include <algorithm>

#include <nlohmann/json.hpp>

#include "weir/io/safetensors.h"
#include "weir/sae/formats/adapt.h"
#include "weir/sae/formats/saelens.h"

namespace weir {
namespace {

nlohmann::ordered_json metadata_of(const SaeConfig& c, const SaeConfig& before) {
  nlohmann::ordered_json metadata = {{"sae_lens_version", kSaeLensLayoutVersion}};
  if (!c.model.empty()) metadata["model_name"] = c.model;
  if (!c.hook.empty()) metadata["hook_name"] = c.hook;
  if (!c.hook_out.empty()) metadata["hook_name_out"] = c.hook_out;
  if (c.prepend_bos) metadata["prepend_bos"] = *c.prepend_bos;
  if (c.context_size > 0) metadata["context_size"] = c.context_size;
  if (before.kind != c.kind) {
    metadata["training_architecture"] = before.kind;
    if (before.k > 0) metadata["training_architecture_details"] = {{"k", before.k}};
  }
  const nlohmann::json kept = extra_of(c, "saelens").value("metadata", nlohmann::json::object());
  for (const auto& [key, value] : kept.items()) metadata[key] = value;
  return metadata;
}

// A whole number without a point: SAELens' top-k wants an int.
nlohmann::ordered_json whole(double k) { return static_cast<int64_t>(k); }

void add_kind(const SaeConfig& c, nlohmann::ordered_json* cfg) {
  if (c.kind == "topk" || c.kind == "abstopk") {
    (*cfg)["k"] = whole(c.k);
    (*cfg)["rescale_acts_by_decoder_norm"] = c.rescale_acts_by_decoder_norm;
  }
  if (c.kind.find("transcoder") != std::string::npos) (*cfg)["d_out"] = c.d_out;
  if (c.kind != "matching_pursuit") return;
  (*cfg)["residual_threshold"] = c.matching_pursuit.residual_threshold;
  (*cfg)["max_iterations"] = nullptr;
  if (c.matching_pursuit.max_iterations > 0) {
    (*cfg)["max_iterations"] = c.matching_pursuit.max_iterations;
  }
  (*cfg)["stop_on_duplicate_support"] = c.matching_pursuit.stop_on_same_support;
}

nlohmann::ordered_json config_of(const SaeConfig& c, const SaeConfig& before) {
  nlohmann::ordered_json cfg = {{"architecture", c.kind},
                                {"d_in", c.d_in},
                                {"d_sae", c.d_sae},
                                {"dtype", c.dtype},
                                {"device", "cpu"},
                                {"apply_b_dec_to_input", c.apply_b_dec_to_input},
                                {"normalize_activations", to_string(c.normalisation)},
                                {"reshape_activations", c.hook_head_shape}};
  add_kind(c, &cfg);
  cfg["metadata"] = metadata_of(c, before);
  const nlohmann::json kept = extra_of(c, "saelens");
  for (const auto& [key, value] : kept.items()) {
    if (key != "metadata") cfg[key] = value;
  }
  carry_extra(c, "saelens", &cfg);
  return cfg;
}

void check_is_known(const Sae& sae) {
  const SaeConfig& c = sae.config;
  const auto end = kSaeLensArchitectures.end() - 2;
  const bool known = std::any_of(kSaeLensArchitectures.begin(), end,
                                 [&](const char* name) { return c.kind == name; });
  if (!known) refuse_format(sae, "saelens", "does not know this kind");
  const bool is_transcoder = c.kind.find("transcoder") != std::string::npos;
  if (!is_transcoder && sae.find("W_skip").defined()) {
    refuse_format(sae, "saelens", "has W_skip only for its own transcoders");
  }
  if (!is_transcoder && c.d_in != c.d_out) {
    refuse_format(sae, "saelens", "has another width out only for its own transcoders");
  }
}

void write(const Sae& sae, const std::filesystem::path& folder, SaeNotes* notes) {
  Sae plain = as_plain_kind(sae, notes);
  check_is_known(plain);
  if (plain.find("threshold").defined()) plain.weights["threshold"] = threshold_per_latent(plain);
  write_json_file(folder / "cfg.json", config_of(plain.config, sae.config));
  std::vector<io::TensorView> tensors;
  for (const auto& [name, tensor] : plain.weights) tensors.push_back(to_write(plain, name, tensor));
  io::write_safetensors(folder / "sae_weights.safetensors", tensors);
}

}  // namespace

extern const SaeFormat kSaeLensFormat, kSaeLensTrainingFormat;
const SaeFormat kSaeLensFormat = {"saelens", "SAELens: cfg.json, sae_weights.safetensors",
                                  recognises_saelens, read_saelens, write};
const SaeFormat kSaeLensTrainingFormat = {
    "saelens-training", "SAELens, saved to go on training: thresholds apart, norms not folded",
    recognises_saelens_training, read_saelens, nullptr};

}  // namespace weir
