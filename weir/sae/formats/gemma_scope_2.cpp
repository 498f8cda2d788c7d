#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/sae/formats/sae_format.h"
#include "weir/tensor/convert.h"

// Gemma Scope 2 (Gemma 3): config.json and params.safetensors; cross-layer transcoders are one file
// a layer, params_layer_L.safetensors, with the layers they write to as an axis of w_dec.
namespace weir {
namespace {

bool recognises(const SaeSite& site) {
  return site.file.extension() == ".safetensors" && site.has_all({"w_enc", "w_dec", "b_enc"});
}

bool path_has(const SaeSite& site, const std::string& part) {
  for (const std::string& word : site.path_words()) {
    if (word.find(part) != word.npos) return true;
  }
  return false;
}

int64_t layer_of(const SaeSite& site, const std::string& point) {
  const int64_t told = number_after({point}, "model.layers.");
  return told >= 0 ? told : number_after(site.path_words(), "layer_");
}

// Hugging Face's name of a place -> the hook's.
std::string hook_of(const std::string& point, const std::string& block) {
  if (point.find("pre_feedforward_layernorm") != point.npos) return block + "hook_mlp_in";
  if (point.find("post_feedforward_layernorm") != point.npos) return block + "hook_mlp_out";
  if (point.find("o_proj") != point.npos) return block + "attn.hook_z";
  return block + "hook_resid_post";
}

std::string point_of_path(const SaeSite& site) {
  if (path_has(site, "transcoder") || path_has(site, "clt")) return "pre_feedforward_layernorm";
  if (path_has(site, "attn_out")) return "o_proj";
  if (path_has(site, "mlp_out")) return "post_feedforward_layernorm";
  return "output";
}

void name_places(const SaeSite& site, SaeConfig* c) {
  const std::string what = site.config_file.string();
  std::string in = point_of_path(site), out;
  if (site.config().is_object()) {
    in = io::find_string(site.config(), "hf_hook_point_in", what).value_or(in);
    out = io::find_string(site.config(), "hf_hook_point_out", what).value_or("");
    c->model = io::find_string(site.config(), "model_name", what).value_or("");
  }
  const size_t v = c->model.find("-v3");
  if (v != std::string::npos) c->model.replace(v, 3, "-3");
  const std::string block = fmt::format("blocks.{}.", layer_of(site, in));
  c->hook = hook_of(in, block);
  const bool is_transcoder = in.find("pre_feedforward_layernorm") != in.npos;
  if (is_transcoder) {
    c->hook_out = block + "hook_mlp_out";
    c->kind =
        site.has("affine_skip_connection") ? "jumprelu_skip_transcoder" : "jumprelu_transcoder";
  }
  if (c->hook.find("hook_z") != std::string::npos) c->hook_head_shape = "hook_z";
}

Sae read(const SaeSite& site, const LoadSaeOptions&, SaeNotes* notes) {
  Sae sae;
  sae.weights["W_enc"] = stored(site, "w_enc");
  at::Tensor decoder = stored(site, "w_dec");
  if (decoder.dim() == 3) {
    notes->push_back(fmt::format(
        "a cross-layer transcoder: its {} target layers are summed, so latents are right and a "
        "reconstruction is that of all layers together",
        decoder.size(1)));
    decoder = decoder.sum(1);
  }
  sae.weights["W_dec"] = decoder;
  for (const char* name : {"b_enc", "b_dec", "threshold"}) sae.weights[name] = stored(site, name);
  if (site.has("affine_skip_connection")) {
    sae.weights["W_skip"] = transposed(site, "affine_skip_connection");
  }
  set_sizes(&sae);
  SaeConfig& c = sae.config;
  c.kind = "jumprelu";
  c.apply_b_dec_to_input = false;
  c.context_size = 1024;
  c.prepend_bos = true;
  c.dtype = dtype_name(to_tensor(site.tensors.at("w_dec")).scalar_type());
  name_places(site, &c);
  if (site.config().is_object()) set_extra(&c, "gemma-scope-2", site.config());
  return sae;
}

}  // namespace

extern const SaeFormat kGemmaScope2Format;
const SaeFormat kGemmaScope2Format = {
    "gemma-scope-2", "Gemma Scope 2: config.json, params.safetensors", recognises, read, nullptr};

}  // namespace weir
