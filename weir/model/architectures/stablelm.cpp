#include "weir/model/architectures/families.h"
#include "weir/model/architectures/llama_like.h"

namespace weir::architectures {
namespace {

// A LayerNorm without bias for every head.
NormWeights norm_of_heads(CheckpointReader& reader, const std::string& prefix, int64_t n_heads,
                          int64_t d_head) {
  NormWeights norm;
  norm.present = true;
  std::vector<std::string> names;
  for (int64_t head = 0; head < n_heads; ++head) {
    names.push_back(prefix + ".norms." + std::to_string(head) + ".weight");
  }
  norm.w = reader.rows(names, d_head);
  return norm;
}

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = llama_like_config(read);
  config.norm = NormKind::kLayerNorm;
  config.norm_eps = read.number_or("layer_norm_eps", 1e-5);
  config.parallel_block = read.flag_or("use_parallel_residual", false);
  if (read.flag_or("qk_layernorm", false)) config.qk_norm = QkNorm::kOwnPerHead;
  RopeDefaults rope;
  rope.partial = 0.25;
  rope.can_be_partial = true;
  config.rotary = read_rotary(read, config, rope);
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  BlockNorms norms;
  if (config.parallel_block) norms.ln2 = "";
  Biases biases;
  biases.qkv = ConfigReader(json).flag_or("use_qkv_bias", false);
  Weights weights = llama_like_weights(config, reader, norms, biases);
  if (config.qk_norm == QkNorm::kNone) return weights;
  reader.set_prefixes({"model.", ""});
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    const std::string attn = "layers." + std::to_string(layer) + ".self_attn.";
    AttentionWeights& held = weights.blocks[layer].attn;
    held.q_norm = norm_of_heads(reader, attn + "q_layernorm", config.n_heads, config.d_head);
    held.k_norm = norm_of_heads(reader, attn + "k_layernorm", config.n_kv_heads, config.d_head);
  }
  return weights;
}

}  // namespace

Family stablelm() { return {"stablelm", config, weights}; }

}  // namespace weir::architectures
