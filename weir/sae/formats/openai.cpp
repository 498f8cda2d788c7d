#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/formats/sae_format.h"

// openai/sparse_autoencoder: one torch file {activation, activation_state_dict, pre_bias,
// encoder.weight, latent_bias, decoder.weight, stats_last_nonzero}. With the activation TopK, x is
// layer-normed per token.
namespace weir {
namespace {

bool recognises(const SaeSite& site) {
  return site.has_all({"pre_bias", "latent_bias", "encoder.weight"});
}

std::string text_of(const SaeSite& site, const std::string& key) {
  const auto found = site.tensors.metadata.find(key);
  return found == site.tensors.metadata.end() ? "" : found->second;
}

// k lies in the activation's state, or (a newer torch) among the tensors' own keys.
double k_of(const SaeSite& site, const LoadSaeOptions& options) {
  for (const char* key : {"activation_state_dict.k", "activation.k"}) {
    if (!text_of(site, key).empty()) return std::stod(text_of(site, key));
    if (site.has(key)) return stored(site, key).item<double>();
  }
  require(options.k.has_value(), "its activation is TopK and k is not in the file: give --k");
  return static_cast<double>(*options.k);
}

Sae read(const SaeSite& site, const LoadSaeOptions& options, SaeNotes*) {
  Sae sae;
  sae.weights["W_enc"] = transposed(site, "encoder.weight");
  // The tied variant keeps one matrix.
  sae.weights["W_dec"] = site.has("decoder.weight")
                             ? transposed(site, "decoder.weight").contiguous()
                             : stored(site, "encoder.weight");
  sae.weights["b_enc"] = stored(site, "latent_bias");
  sae.weights["b_dec"] = stored(site, "pre_bias");
  set_sizes(&sae);
  const std::string activation = text_of(site, "activation");
  if (activation == "TopK") {
    sae.config.kind = "topk";
    sae.config.k = k_of(site, options);
    sae.config.normalisation = SaeNormalisation::kLayerNorm;
  } else if (activation != "ReLU") {
    fail(ErrorCode::kUnsupported, "activation \"{}\" of OpenAI's autoencoder; known: ReLU, TopK",
         activation);
  }
  return sae;
}

}  // namespace

extern const SaeFormat kOpenAiSaeFormat;
const SaeFormat kOpenAiSaeFormat = {"openai", "openai/sparse_autoencoder: a torch file", recognises,
                                    read, nullptr};

}  // namespace weir
