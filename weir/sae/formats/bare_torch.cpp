#include <regex>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/sae/formats/sae_format.h"

// Torch files with little beside them: Goodfire and DeepSeek-R1 (nn.Linear pairs), the attention
// dictionaries of Kissane et al. (a *_cfg.json beside each), Qwen Scope.
namespace weir {
namespace {

bool is_goodfire(const SaeSite& site) {
  return site.has_all({"encoder_linear.weight", "decoder_linear.weight"});
}

bool is_deepseek(const SaeSite& site) {
  return site.is_torch() && site.config().is_null() && !site.has("k") &&
         !site.has("var_encoder.weight") &&
         site.has_all({"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"});
}

bool is_bare_sae(const SaeSite& site) {
  return site.is_torch() && site.has_all({"W_enc", "W_dec", "b_enc", "b_dec"}) &&
         !site.has("threshold");
}

bool is_attention(const SaeSite& site) {
  return is_bare_sae(site) && site.config().is_object() && site.config().contains("act_name");
}

bool is_qwen(const SaeSite& site) { return is_bare_sae(site) && site.config().is_null(); }

// "Llama-3.1-8B-Instruct-SAE-l19.pth": the model and the layer.
void name_by_file(const SaeSite& site, SaeConfig* c) {
  const std::string stem = site.file.stem();
  const size_t end = stem.find("-SAE");
  if (end != stem.npos) c->model = stem.substr(0, end);
  const int64_t layer = number_after({stem}, "SAE-l");
  if (layer >= 0) c->hook = fmt::format("blocks.{}.hook_resid_post", layer);
}

Sae read_goodfire(const SaeSite& site, const LoadSaeOptions&, SaeNotes*) {
  Sae sae = read_linear_pair(site, "decoder_linear.bias", "encoder_linear", "decoder_linear");
  sae.config.apply_b_dec_to_input = false;
  name_by_file(site, &sae.config);
  return sae;
}

Sae read_deepseek(const SaeSite& site, const LoadSaeOptions&, SaeNotes* notes) {
  Sae sae = read_linear_pair(site, "decoder.bias");
  sae.config.apply_b_dec_to_input = false;
  name_by_file(site, &sae.config);
  notes->emplace_back(
      "the tensors of dictionary_learning's AutoEncoderNew are named alike: b_dec is not "
      "subtracted "
      "there either");
  return sae;
}

Sae read_attention(const SaeSite& site, const LoadSaeOptions&, SaeNotes*) {
  const std::string what = site.config_file.string();
  Sae sae;
  for (const char* name : {"W_enc", "W_dec", "b_enc", "b_dec"})
    sae.weights[name] = stored(site, name);
  set_sizes(&sae);
  SaeConfig& c = sae.config;
  c.hook = io::get_string(site.config(), "act_name", what);
  c.model = io::find_string(site.config(), "model_name", what).value_or("");
  c.context_size = io::find_int(site.config(), "seq_len", 1, 1 << 30, what).value_or(0);
  c.prepend_bos = true;
  if (c.hook.find("hook_z") != std::string::npos) c.hook_head_shape = "hook_z";
  set_extra(&c, "attn-saes", site.config());
  return sae;
}

Sae read_qwen(const SaeSite& site, const LoadSaeOptions& options, SaeNotes* notes) {
  Sae sae;
  sae.weights["b_enc"] = stored(site, "b_enc");
  sae.weights["b_dec"] = stored(site, "b_dec");
  const int64_t latents = sae.weights["b_enc"].numel(), d = sae.weights["b_dec"].numel();
  const at::Tensor encoder = stored(site, "W_enc");
  require(encoder.dim() == 2 && encoder.size(0) == latents && encoder.size(1) == d && latents != d,
          "W_enc is [{}]: Qwen Scope has [latents, d] = [{}, {}]; for another orientation say "
          "--format saelens with --kind and --b-dec-in",
          fmt::join(encoder.sizes(), ", "), latents, d);
  sae.weights["W_enc"] = encoder.t();
  sae.weights["W_dec"] = transposed(site, "W_dec").contiguous();
  set_sizes(&sae);
  SaeConfig& c = sae.config;
  c.kind = "topk";
  c.apply_b_dec_to_input = false;
  const int64_t layer = number_after({site.file.filename().string()}, "layer");
  if (layer >= 0) c.hook = fmt::format("blocks.{}.hook_resid_post", layer);
  const int64_t told = number_after(site.path_words(), "L0_");
  require(options.k.has_value() || told > 0,
          "Qwen Scope says k only in its repository's name (...-L0_50): give it by --k");
  c.k = static_cast<double>(options.k.value_or(told));
  if (!options.k) notes->push_back(fmt::format("k = {} from the name of the folder", told));
  return sae;
}

}  // namespace

extern const SaeFormat kGoodfireFormat, kDeepSeekR1SaeFormat, kAttentionSaesFormat,
    kQwenScopeFormat;
const SaeFormat kGoodfireFormat = {"goodfire", "Goodfire: a torch file with encoder_linear",
                                   is_goodfire, read_goodfire, nullptr};
const SaeFormat kDeepSeekR1SaeFormat = {"deepseek-r1",
                                        "DeepSeek-R1's: a torch file with encoder, decoder",
                                        is_deepseek, read_deepseek, nullptr};
const SaeFormat kAttentionSaesFormat = {"attn-saes",
                                        "attention-output-saes: RUN.pt and RUN_cfg.json",
                                        is_attention, read_attention, nullptr};
const SaeFormat kQwenScopeFormat = {"qwen-scope", "Qwen Scope: layerL.sae.pt", is_qwen, read_qwen,
                                    nullptr};

}  // namespace weir
