#include "weir/model/architectures/families.h"
#include "weir/model/architectures/llama_like.h"

namespace weir::architectures {
namespace {

// Rows of the fused projections: q, then k, then v; gate, then up.
void read_block(const ModelConfig& config, CheckpointReader& reader, const std::string& prefix,
                BlockWeights& block) {
  const int64_t d = config.d_model, m = config.d_mlp;
  const int64_t n_q = config.n_heads * config.d_head, n_kv = config.n_kv_heads * config.d_head;
  read_block_norms(config, reader, prefix, {}, block);
  const std::string qkv = prefix + "self_attn.qkv_proj.weight";
  block.attn.W_Q = reader.linear(qkv, n_q + 2 * n_kv, d, {0, n_q});
  block.attn.W_K = reader.linear(qkv, n_q + 2 * n_kv, d, {n_q, n_kv});
  block.attn.W_V = reader.linear(qkv, n_q + 2 * n_kv, d, {n_q + n_kv, n_kv});
  block.attn.W_O = reader.linear(prefix + "self_attn.o_proj.weight", d, n_q);
  const std::string gate_up = prefix + "mlp.gate_up_proj.weight";
  block.mlp.W_gate = reader.linear(gate_up, 2 * m, d, {0, m});
  block.mlp.W_in = reader.linear(gate_up, 2 * m, d, {m, m});
  block.mlp.W_out = reader.linear(prefix + "mlp.down_proj.weight", d, m);
}

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  LlamaLikeDefaults defaults;
  defaults.eps = 1e-5;
  ModelConfig config = llama_like_config(read, defaults);
  RopeDefaults rope;
  rope.can_be_partial = true;
  config.rotary = read_rotary(read, config, rope);
  config.layer_window = layer_windows(read, read.size_or("sliding_window", 0),
                                      std::vector<bool>(config.n_layers, true));
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json&, CheckpointReader& reader) {
  reader.set_prefixes({"model.", ""});
  reader.ignore({"*.rotary_emb.inv_freq"});
  const PartNames names = {"embed_tokens.weight", "", "layers."};
  Weights weights = read_tables_and_blocks(config, reader, names, read_block);
  weights.ln_final = reader.norm("norm", config.d_model, config.norm);
  read_unembedding(config, reader, weights);
  return weights;
}

}  // namespace

Family phi3() { return {"phi3", config, weights}; }

}  // namespace weir::architectures
