#include <set>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/sae/formats/saelens.h"
#include "weir/tensor/convert.h"

// SAELens (6.54): cfg.json and sae_weights.safetensors. Before 6.0 everything lay flat in cfg.json
// under older names.
namespace weir {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;
using io::find_bool;
using io::find_double;
using io::find_int;
using io::find_string;

// Flat configurations in the words of 6.0, as SAELens migrates them.
nlohmann::json migrated(const nlohmann::json& flat, const std::string& what) {
  nlohmann::json cfg = flat, metadata = nlohmann::json::object();
  const auto rename = [&](const char* old, const char* now) {
    if (cfg.contains(old) && !cfg.contains(now)) cfg[now] = cfg[old];
    cfg.erase(old);
  };
  rename("hook_point", "hook_name");
  rename("hook_point_head_index", "hook_head_index");
  rename("activation_fn_str", "activation_fn");
  const std::string activation = find_string(cfg, "activation_fn", what).value_or("relu");
  if (activation == "topk") {
    cfg["architecture"] = "topk";
    if (cfg.contains("activation_fn_kwargs")) {
      cfg["k"] = io::get_int(cfg["activation_fn_kwargs"], "k", 1, kMost, what);
    }
  } else if (activation != "relu") {
    fail(ErrorCode::kUnsupported, "activation_fn \"{}\"; known: relu, topk", activation);
  }
  const auto normalisation = cfg.find("normalize_activations");
  if (normalisation != cfg.end() && normalisation->is_boolean()) {
    *normalisation = normalisation->get<bool>() ? "expected_average_only_in" : "none";
  }
  for (const char* key :
       {"model_name", "hook_name", "hook_name_out", "hook_head_index", "context_size",
        "prepend_bos", "dataset_path", "neuronpedia_id", "sae_lens_training_version"}) {
    if (cfg.contains(key)) metadata[key] = cfg[key];
    cfg.erase(key);
  }
  cfg["metadata"] = metadata;
  return cfg;
}

std::string architecture_of(const nlohmann::json& cfg, const std::string& what) {
  const std::string name = find_string(cfg, "architecture", what).value_or("standard");
  for (const char* known : kSaeLensArchitectures) {
    if (name == known) return name;
  }
  fail(ErrorCode::kUnsupported, "{}: unknown architecture \"{}\" of SAELens; known: {}", what, name,
       fmt::join(kSaeLensArchitectures, ", "));
}

void read_metadata(const nlohmann::json& metadata, const std::string& what, SaeConfig* c) {
  c->hook = find_string(metadata, "hook_name", what).value_or("");
  c->hook_out = find_string(metadata, "hook_name_out", what).value_or("");
  c->model = find_string(metadata, "model_name", what).value_or("");
  c->context_size = find_int(metadata, "context_size", 0, kMost, what).value_or(0);
  c->prepend_bos = find_bool(metadata, "prepend_bos", what);
}

SaeConfig read_config(const nlohmann::json& cfg, const std::string& what) {
  SaeConfig c;
  c.kind = architecture_of(cfg, what);
  c.d_in = io::get_int(cfg, "d_in", 1, kMost, what);
  c.d_sae = io::get_int(cfg, "d_sae", 1, kMost, what);
  c.d_out = find_int(cfg, "d_out", 1, kMost, what).value_or(c.d_in);
  c.k = find_double(cfg, "k", what).value_or(0);
  read_metadata(cfg["metadata"], what, &c);
  // A transcoder's b_dec lives elsewhere: SAELens never subtracts it, whatever the file says.
  const bool is_transcoder = c.kind.find("transcoder") != std::string::npos;
  c.apply_b_dec_to_input =
      !is_transcoder && find_bool(cfg, "apply_b_dec_to_input", what).value_or(true);
  c.normalisation =
      parse_sae_normalisation(find_string(cfg, "normalize_activations", what).value_or("none"));
  c.rescale_acts_by_decoder_norm =
      find_bool(cfg, "rescale_acts_by_decoder_norm", what).value_or(false);
  c.hook_head_shape = find_string(cfg, "reshape_activations", what)
                          .value_or(c.hook.find("hook_z") == std::string::npos ? "none" : "hook_z");
  if (cfg.contains("matryoshka_widths")) {
    c.widths = cfg["matryoshka_widths"].get<std::vector<int64_t>>();
  }
  MatchingPursuitConfig& pursuit = c.matching_pursuit;
  pursuit.residual_threshold =
      find_double(cfg, "residual_threshold", what).value_or(pursuit.residual_threshold);
  pursuit.max_iterations = find_int(cfg, "max_iterations", 1, kMost, what).value_or(0);
  pursuit.stop_on_same_support = find_bool(cfg, "stop_on_duplicate_support", what).value_or(true);
  return c;
}

void drop_scaling_factor(const SaeSite& site, Sae* sae, SaeNotes* notes) {
  const at::Tensor factor = stored(site, "scaling_factor");
  sae->weights.erase("scaling_factor");
  if ((factor == 1).all().item<bool>()) {
    notes->emplace_back("scaling_factor is dropped: it is 1 everywhere");
    return;
  }
  const bool is_meant =
      find_bool(site.config(), "finetuning_scaling_factor", "cfg.json").value_or(false);
  fail(is_meant ? ErrorCode::kUnsupported : ErrorCode::kCorruptData,
       "scaling_factor differs from 1 {}",
       is_meant ? "and finetuned scaling is not known to Weir"
                : "although finetuning_scaling_factor is false");
}

void read_weights(const SaeSite& site, Sae* sae, SaeNotes* notes) {
  for (const io::TensorView& tensor : site.tensors.tensors) {
    sae->weights[tensor.name] = stored(site, tensor.name);
  }
  if (site.has("scaling_factor")) drop_scaling_factor(site, sae, notes);
  const at::ScalarType type = sae->weight("W_dec").scalar_type();
  if (site.has("topk_threshold")) {
    sae->weights["threshold"] = sae->weight("topk_threshold").to(type);
    sae->weights.erase("topk_threshold");
  }
  if (site.has("log_threshold")) {
    sae->weights["threshold"] = sae->weight("log_threshold").exp();
    sae->weights.erase("log_threshold");
  }
  sae->config.dtype = dtype_name(to_tensor(site.tensors.at("W_dec")).scalar_type());
}

// Tensors without cfg.json, whose user says what they are.
nlohmann::json made_up_config(const SaeSite& site, const LoadSaeOptions& options) {
  require(!options.kind.empty(), "there is no cfg.json: say what kind it is by --kind");
  const at::Tensor decoder = stored(site, "W_dec");
  require(decoder.dim() == 2, "W_dec is not a matrix [d_sae, d]");
  const int64_t d_in = site.has("W_enc") ? stored(site, "W_enc").size(0) : decoder.size(1);
  require(options.apply_b_dec_to_input.has_value(),
          "there is no cfg.json: say whether b_dec is subtracted from the input by --b-dec-in");
  return {{"architecture", options.kind},
          {"d_in", d_in},
          {"d_out", decoder.size(1)},
          {"d_sae", decoder.size(0)},
          {"metadata", nlohmann::json::object()}};
}

// What the configuration holds beyond SaeConfig.
nlohmann::json leftover(nlohmann::json cfg) {
  for (const char* key :
       {"architecture", "d_in", "d_sae", "d_out", "k", "dtype", "weir", "apply_b_dec_to_input",
        "normalize_activations", "reshape_activations", "rescale_acts_by_decoder_norm",
        "residual_threshold", "max_iterations", "stop_on_duplicate_support", "matryoshka_widths"}) {
    cfg.erase(key);
  }
  for (const char* key :
       {"hook_name", "hook_name_out", "model_name", "context_size", "prepend_bos"}) {
    cfg["metadata"].erase(key);
  }
  const auto version = cfg["metadata"].find("sae_lens_version");
  if (version != cfg["metadata"].end() && *version == kSaeLensLayoutVersion) {
    cfg["metadata"].erase(version);
  }
  if (cfg["metadata"].empty()) cfg.erase("metadata");
  return cfg;
}

bool is_saelens(const SaeSite& site) {
  return site.config_file.filename() == "cfg.json" && !site.section("weir").contains("kind") &&
         site.has("W_dec") && !site.has("encoder.weight");
}

bool is_training(const SaeSite& site) {
  return site.has("topk_threshold") || site.config().contains("decoder_init_norm");
}

}  // namespace

Sae read_saelens(const SaeSite& site, const LoadSaeOptions& options, SaeNotes* notes) {
  nlohmann::json cfg = site.config();
  const std::string what = site.config_file.empty() ? "--kind" : site.config_file.string();
  if (cfg.is_null()) cfg = made_up_config(site, options);
  if (!cfg.contains("metadata")) cfg = migrated(cfg, what);
  if (!cfg["metadata"].is_object()) cfg["metadata"] = nlohmann::json::object();
  Sae sae;
  sae.config = read_config(cfg, what);
  read_weights(site, &sae, notes);
  set_extra(&sae.config, "saelens", leftover(cfg));
  take_extra(cfg, &sae.config);
  if (sae.config.normalisation == SaeNormalisation::kExpectedAverage) {
    notes->emplace_back(
        "activations were scaled to an average norm in training; the file does not hold the factor "
        "and nothing is scaled here");
  }
  return sae;
}

bool recognises_saelens(const SaeSite& site) { return is_saelens(site) && !is_training(site); }
bool recognises_saelens_training(const SaeSite& site) {
  return is_saelens(site) && is_training(site);
}

}  // namespace weir
