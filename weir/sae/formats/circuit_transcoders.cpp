#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/safetensors.h"
#include "weir/sae/formats/sae_format.h"
#include "weir/tensor/convert.h"

// Transcoders of circuit tracing: mwhanna's layer_L.safetensors (W_enc [F, d], W_dec [F, d]) and
// mntss' cross-layer ones (W_enc_L.safetensors, W_dec_L.safetensors [F, later layers, d]).
namespace weir {
namespace {

std::string model_of(const SaeSite& site) {
  return yaml_value(site.file.parent_path() / "config.yaml", "model_name");
}

bool is_mwhanna(const SaeSite& site) {
  if (site.file.extension() != ".safetensors" || site.config_file.filename() == "cfg.json" ||
      !site.has_all({"W_enc", "W_dec", "b_enc", "b_dec"})) {
    return false;
  }
  const auto& encoder = site.tensors.at("W_enc").shape;
  return encoder.size() == 2 && encoder == site.tensors.at("W_dec").shape &&
         encoder[0] != encoder[1];
}

Sae read_mwhanna(const SaeSite& site, const LoadSaeOptions&, SaeNotes*) {
  Sae sae;
  sae.weights["W_enc"] = transposed(site, "W_enc");
  for (const char* name : {"W_dec", "b_enc", "b_dec"}) sae.weights[name] = stored(site, name);
  if (site.has("W_skip")) sae.weights["W_skip"] = stored(site, "W_skip");
  set_sizes(&sae);
  SaeConfig& c = sae.config;
  c.kind = site.has("W_skip") ? "skip_transcoder" : "transcoder";
  c.apply_b_dec_to_input = false;
  c.dtype = dtype_name(to_tensor(site.tensors.at("W_dec")).scalar_type());
  const int64_t layer = number_after({site.file.filename().string()}, "layer_");
  c.model = model_of(site);
  if (layer >= 0) {
    c.hook = fmt::format("blocks.{}.mlp.hook_in", layer);
    c.hook_out = fmt::format("blocks.{}.hook_mlp_out", layer);
  }
  return sae;
}

// "W_enc_12" -> 12; -1 when no tensor is called so.
int64_t layer_of(const SaeSite& site) {
  for (const io::TensorView& tensor : site.tensors.tensors) {
    if (tensor.name.rfind("W_enc_", 0) == 0) return number_after({tensor.name}, "W_enc_");
  }
  return -1;
}

bool is_mntss(const SaeSite& site) { return layer_of(site) >= 0; }

Sae read_mntss(const SaeSite& site, const LoadSaeOptions&, SaeNotes* notes) {
  const std::string layer = std::to_string(layer_of(site));
  const std::filesystem::path folder = site.file.parent_path();
  SaeSite decoders = site;
  decoders.file = folder / ("W_dec_" + layer + ".safetensors");
  decoders.tensors = io::read_safetensors(decoders.file);
  const at::Tensor decoder = stored(decoders, "W_dec_" + layer);
  require(decoder.dim() == 3, "W_dec_{} is not [latents, layers, d]", layer);
  Sae sae;
  sae.weights["W_enc"] = transposed(site, "W_enc_" + layer);
  sae.weights["b_enc"] = stored(site, "b_enc_" + layer);
  sae.weights["b_dec"] = stored(site, "b_dec_" + layer);
  sae.weights["W_dec"] = decoder.sum(1);
  set_sizes(&sae);
  SaeConfig& c = sae.config;
  c.kind = "transcoder";
  c.apply_b_dec_to_input = false;
  c.dtype = dtype_name(to_tensor(site.tensors.at("W_enc_" + layer)).scalar_type());
  c.model = model_of(site);
  const std::string in = yaml_value(folder / "config.yaml", "feature_input_hook");
  const std::string out = yaml_value(folder / "config.yaml", "feature_output_hook");
  if (!in.empty()) c.hook = "blocks." + layer + "." + in;
  if (!out.empty()) c.hook_out = "blocks." + layer + "." + out;
  notes->push_back(
      fmt::format("one layer of a cross-layer transcoder: its {} target layers are summed, so "
                  "latents are right "
                  "and a reconstruction is that of all layers together",
                  decoder.size(1)));
  return sae;
}

}  // namespace

extern const SaeFormat kMwhannaFormat, kMntssFormat;
const SaeFormat kMwhannaFormat = {"mwhanna", "circuit-tracer transcoders: layer_L.safetensors",
                                  is_mwhanna, read_mwhanna, nullptr};
const SaeFormat kMntssFormat = {"mntss-clt",
                                "cross-layer transcoders: W_enc_L, W_dec_L.safetensors", is_mntss,
                                read_mntss, nullptr};

}  // namespace weir
