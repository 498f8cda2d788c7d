#include "weir/model/architectures/gemma_parts.h"

#include <cmath>

#include <nlohmann/json.hpp>

namespace weir::architectures {
namespace {

// null switches a cap off; a config that does not mention it means the default.
double cap(const ConfigReader& read, const char* key, double unstated) {
  return read.number_or(key, read.json().contains(key) ? 0 : unstated);
}

}  // namespace

ModelConfig gemma_like_config(const ConfigReader& read) {
  LlamaLikeDefaults defaults;
  defaults.tied = true;
  defaults.d_head = 256;
  ModelConfig config = llama_like_config(read, defaults);
  config.norm_offset = 1;
  config.embed_scale = std::sqrt(static_cast<double>(config.d_model));
  // The first Gemma configs say hidden_act "gelu" and mean the tanh form.
  std::string name = read.text_or("hidden_activation", read.text_or("hidden_act", "gelu"));
  if (name == "gelu") name = "gelu_pytorch_tanh";
  config.activation = parse_activation(name);
  return config;
}

void read_gemma_scores(const ConfigReader& read, const SoftCaps& default_caps,
                       ModelConfig& config) {
  config.attn_scale = 1 / std::sqrt(read.number_or("query_pre_attn_scalar", 256));
  config.attn_softcap = cap(read, "attn_logit_softcapping", default_caps.attention);
  config.logit_softcap = cap(read, "final_logit_softcapping", default_caps.logits);
}

BlockNorms four_norms() {
  BlockNorms norms;
  norms.ln1_post = "post_attention_layernorm";
  norms.ln2 = "pre_feedforward_layernorm";
  norms.ln2_post = "post_feedforward_layernorm";
  return norms;
}

}  // namespace weir::architectures
