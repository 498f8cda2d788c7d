#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/io/npy.h"
#include "weir/sae/formats/adapt.h"
#include "weir/tensor/convert.h"

// Gemma Scope (2024): layer_L/width_W/average_l0_N/params.npz, JumpReLU. Site, layer and what is a
// transcoder stand only in the names of repository and folders.
namespace weir {
namespace {

bool is_npz(const SaeSite& site) {
  return site.file.extension() == ".npz" && (site.has("W_dec") || site.has("w_dec"));
}

// Whether one of the words of a folder's or repository's name ("gemma-scope-2b-pt-att") is `wanted`
// or begins with it and ends in 's'.
bool says(const SaeSite& site, const std::string& wanted) {
  for (const std::string& word : site.path_words()) {
    std::string part;
    for (const char c : word + "-") {
      if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
        part += c;
        continue;
      }
      if (part == wanted || part == wanted + "s") return true;
      part.clear();
    }
  }
  return false;
}

bool is_transcoder(const SaeSite& site) { return says(site, "transcoder"); }
bool recognises(const SaeSite& site) { return is_npz(site) && !is_transcoder(site); }
bool recognises_transcoder(const SaeSite& site) { return is_npz(site) && is_transcoder(site); }

std::string model_of(const SaeSite& site) {
  for (const std::string& word : site.path_words()) {
    const size_t at = word.find("gemma-scope-");
    if (at == word.npos) continue;
    const std::string rest = word.substr(at + 12);
    const std::string size = rest.substr(0, rest.find('-'));
    return "gemma-2-" + size + (rest.find("-it") == rest.npos ? "" : "-it");
  }
  return "";
}

void name_hook(const SaeSite& site, SaeConfig* c, SaeNotes* notes) {
  const int64_t layer = number_after(site.path_words(), "layer_");
  if (layer < 0) {
    notes->emplace_back("the path says no layer: give the activation it reads by --hook");
    return;
  }
  const std::string block = fmt::format("blocks.{}.", layer);
  if (is_transcoder(site)) {
    c->hook = block + "ln2.hook_normalized";
    c->hook_out = block + "hook_mlp_out";
  } else if (says(site, "att")) {
    c->hook = block + "attn.hook_z";
    c->hook_head_shape = "hook_z";
  } else {
    c->hook = block + (says(site, "mlp") ? "hook_mlp_out" : "hook_resid_post");
    if (!says(site, "mlp") && !says(site, "res")) {
      notes->emplace_back(
          "the path does not say which activation it reads: hook_resid_post is assumed (another "
          "one "
          "by --hook)");
    }
  }
}

Sae read(const SaeSite& site, const LoadSaeOptions&, SaeNotes* notes) {
  Sae sae;
  for (const io::TensorView& tensor : site.tensors.tensors) {
    std::string name = tensor.name;
    if (name == "w_enc") name = "W_enc";
    if (name == "w_dec") name = "W_dec";
    sae.weights[name] = stored(site, tensor.name);
  }
  const at::Tensor factor = sae.find("scaling_factor");
  if (factor.defined()) {
    require((factor == 1).all().item<bool>(), "scaling_factor of Gemma Scope differs from 1");
    sae.weights.erase("scaling_factor");
  }
  sae.weight("W_enc");
  set_sizes(&sae);
  SaeConfig& c = sae.config;
  c.kind = is_transcoder(site) ? "jumprelu_transcoder" : "jumprelu";
  c.apply_b_dec_to_input = false;
  c.context_size = 1024;
  c.prepend_bos = true;
  c.model = model_of(site);
  c.dtype = dtype_name(sae.weight("W_dec").scalar_type());
  if (says(site, "embedding")) {
    // The model multiplies embeddings by sqrt(d) itself; the dictionary was trained after that.
    c.hook = "hook_embed";
    const double root = std::sqrt(static_cast<double>(c.d_in));
    sae.weights["W_enc"] = sae.weights["W_enc"] / root;
    sae.weights["W_dec"] = sae.weights["W_dec"] * root;
  } else {
    name_hook(site, &c, notes);
  }
  return sae;
}

void write(const Sae& sae, const std::filesystem::path& folder, SaeNotes* notes) {
  Sae plain = as_plain_kind(sae, notes);
  refuse_normalisation(plain, "gemma-scope");
  const std::string& kind = plain.config.kind;
  if (kind == "standard" || kind == "transcoder") {
    // ReLU(pre) where pre > 0.
    plain.weights["threshold"] = at::zeros_like(plain.weight("b_enc"));
  } else if (kind != "jumprelu" && kind != "jumprelu_transcoder") {
    refuse_format(plain, "gemma-scope", "has one threshold per latent and no other rule");
  }
  set_apply_b_dec(&plain, false, notes);
  plain.weights["threshold"] = threshold_per_latent(plain);
  if (plain.config.dtype != "float32")
    notes->emplace_back("written in float32: npz has no half types");
  plain.config.dtype = "float32";
  std::vector<io::TensorView> tensors;
  for (const char* name : {"W_enc", "W_dec", "b_enc", "b_dec", "threshold"}) {
    tensors.push_back(to_write(plain, name, plain.weight(name)));
  }
  if (plain.config.hook == "hook_embed") {
    notes->emplace_back("in a folder called embedding it would be read as scaled by sqrt(d)");
  }
  io::write_npz(folder / "params.npz", tensors);
  notes->push_back(
      fmt::format("params.npz holds numbers only: the activation ({}), the model and the shape of "
                  "heads are left "
                  "to the names of folders",
                  plain.config.hook.empty() ? "unknown" : plain.config.hook));
}

}  // namespace

extern const SaeFormat kGemmaScopeFormat, kGemmaScopeTranscoderFormat;
const SaeFormat kGemmaScopeFormat = {"gemma-scope", "Gemma Scope: params.npz", recognises, read,
                                     write};
const SaeFormat kGemmaScopeTranscoderFormat = {"gemma-scope-transcoder",
                                               "Gemma Scope's transcoders: params.npz",
                                               recognises_transcoder, read, nullptr};

}  // namespace weir
