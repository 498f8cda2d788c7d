#include <cmath>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/sae/formats/sae_format.h"

// Llama Scope (fnlp): hyperparams.json and checkpoints/final.safetensors; its distilled-R1 variant
// has config.json and sae_weights.safetensors with thresholds as logarithms.
namespace weir {
namespace {

bool recognises(const SaeSite& site) {
  return site.file.extension() == ".safetensors" &&
         site.has_all({"encoder.weight", "decoder.weight"}) && site.config().is_object() &&
         site.config().contains("jump_relu_threshold");
}

bool recognises_r1(const SaeSite& site) {
  return site.has_all({"encoder.weight", "decoder.weight", "log_jumprelu_threshold"});
}

Sae read_pair(const SaeSite& site) {
  Sae sae = read_linear_pair(site, "decoder.bias");
  SaeConfig& c = sae.config;
  c.kind = "jumprelu";
  c.normalisation = SaeNormalisation::kExpectedAverage;
  const std::string what = site.config_file.string();
  if (!site.config().is_object()) return sae;
  c.hook = io::find_string(site.config(), "hook_point_in", what).value_or("");
  const std::string out = io::find_string(site.config(), "hook_point_out", what).value_or(c.hook);
  require(out == c.hook,
          "this Llama Scope reads {} and writes {}: only dictionaries of one place are "
          "read",
          c.hook, out);
  c.apply_b_dec_to_input =
      io::find_bool(site.config(), "apply_decoder_bias_to_pre_encoder", what).value_or(false);
  set_extra(&c, "llama-scope", site.config());
  return sae;
}

Sae read(const SaeSite& site, const LoadSaeOptions& options, SaeNotes* notes) {
  Sae sae = read_pair(site);
  const std::string what = site.config_file.string();
  const double norm = io::get_double(site.section("dataset_average_activation_norm"), "in", what);
  const double scale = std::sqrt(static_cast<double>(sae.config.d_in)) / norm;
  sae.config.scale = scale;
  double threshold = io::get_double(site.config(), "jump_relu_threshold", what);
  if (options.scale_llama_scope_threshold) threshold *= scale;
  sae.weights["threshold"] = at::full({}, threshold, sae.weight("W_dec").options());
  notes->push_back(
      options.scale_llama_scope_threshold
          ? "threshold times scale, as SAELens reads it (other latents than in training fire)"
          : "threshold as its model card says; SAELens multiplies it by the scale "
            "(--scale-threshold does too)");
  return sae;
}

Sae read_r1(const SaeSite& site, const LoadSaeOptions&, SaeNotes* notes) {
  Sae sae = read_pair(site);
  sae.weights["threshold"] = stored(site, "log_jumprelu_threshold").exp();
  notes->emplace_back(
      "activations were scaled in training by a factor that is not in the files; "
      "nothing is scaled here");
  return sae;
}

}  // namespace

extern const SaeFormat kLlamaScopeFormat, kLlamaScopeR1Format;
const SaeFormat kLlamaScopeFormat = {"llama-scope",
                                     "Llama Scope: hyperparams.json, checkpoints/final.safetensors",
                                     recognises, read, nullptr};
const SaeFormat kLlamaScopeR1Format = {"llama-scope-r1",
                                       "Llama Scope of a distilled R1: log_jumprelu_threshold",
                                       recognises_r1, read_r1, nullptr};

}  // namespace weir
