#include "weir/model/architectures/families.h"
#include "weir/model/architectures/parts.h"
#include "weir/model/rope_config.h"

namespace weir::architectures {
namespace {

// One norm feeds attention and MLP.
void read_block(const ModelConfig& config, CheckpointReader& reader, const std::string& prefix,
                BlockWeights& block) {
  const int64_t d = config.d_model, m = config.d_mlp;
  const int64_t n_q = config.n_heads * config.d_head, n_kv = config.n_kv_heads * config.d_head;
  const std::string attn = prefix + "self_attn.";
  block.ln1 = reader.norm(prefix + "input_layernorm", d, config.norm);
  if (config.qk_norm == QkNorm::kPerHead) {
    block.attn.q_norm = reader.norm(attn + "q_layernorm", config.d_head, config.norm);
    block.attn.k_norm = reader.norm(attn + "k_layernorm", config.d_head, config.norm);
  }
  read_linear(reader, attn + "q_proj", n_q, d, true, block.attn.W_Q, block.attn.b_Q);
  read_linear(reader, attn + "k_proj", n_kv, d, true, block.attn.W_K, block.attn.b_K);
  read_linear(reader, attn + "v_proj", n_kv, d, true, block.attn.W_V, block.attn.b_V);
  read_linear(reader, attn + "dense", d, n_q, true, block.attn.W_O, block.attn.b_O);
  read_linear(reader, prefix + "mlp.fc1", m, d, true, block.mlp.W_in, block.mlp.b_in);
  read_linear(reader, prefix + "mlp.fc2", d, m, true, block.mlp.W_out, block.mlp.b_out);
}

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = base_config(read, /*tied_by_default=*/false);
  read_sizes(read, config);
  derive_heads(config);
  config.norm_eps = read.number_or("layer_norm_eps", 1e-5);
  config.parallel_block = true;
  if (read.flag_or("qk_layernorm", false)) config.qk_norm = QkNorm::kPerHead;
  config.position = PositionKind::kRotary;
  RopeDefaults rope;
  rope.partial = 0.5;
  rope.can_be_partial = true;
  config.rotary = read_rotary(read, config, rope);
  config.activation = parse_activation(read.text_or("hidden_act", "gelu_new"));
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json&, CheckpointReader& reader) {
  reader.set_prefixes({"model.", ""});
  reader.ignore({"*.rotary_emb.inv_freq"});
  const PartNames names = {"embed_tokens.weight", "", "layers."};
  Weights weights = read_tables_and_blocks(config, reader, names, read_block);
  weights.ln_final = reader.norm("final_layernorm", config.d_model, config.norm);
  read_unembedding(config, reader, weights);
  weights.b_U = reader.tensor("lm_head.bias", {config.d_vocab});
  return weights;
}

}  // namespace

Family phi() { return {"phi", config, weights}; }

}  // namespace weir::architectures
