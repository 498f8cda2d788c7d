#include "weir/model/architectures/families.h"
#include "weir/model/architectures/parts.h"

namespace weir::architectures {
namespace {

// One norm feeds attention and MLP; attention has no biases.
void read_block(const ModelConfig& config, CheckpointReader& reader, const std::string& prefix,
                BlockWeights& block) {
  const int64_t d = config.d_model, m = config.d_mlp;
  block.ln1 = reader.norm(prefix + "ln_1", d, config.norm);
  block.attn.W_Q = reader.linear(prefix + "attn.q_proj.weight", d, d);
  block.attn.W_K = reader.linear(prefix + "attn.k_proj.weight", d, d);
  block.attn.W_V = reader.linear(prefix + "attn.v_proj.weight", d, d);
  block.attn.W_O = reader.linear(prefix + "attn.out_proj.weight", d, d);
  read_linear(reader, prefix + "mlp.fc_in", m, d, true, block.mlp.W_in, block.mlp.b_in);
  read_linear(reader, prefix + "mlp.fc_out", d, m, true, block.mlp.W_out, block.mlp.b_out);
}

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = base_config(read, /*tied_by_default=*/false);
  config.n_layers = read.layers("n_layer");
  config.d_model = read.size("n_embd");
  config.n_heads = config.n_kv_heads = read.size("n_head");
  config.d_mlp = read.size_or("n_inner", 4 * config.d_model);
  config.n_ctx = read.size_or("n_positions", 2048);
  derive_heads(config);
  config.norm_eps = read.number_or("layer_norm_epsilon", 1e-5);
  config.parallel_block = true;
  config.position = PositionKind::kRotary;
  config.rotary.n_dims = read.size("rotary_dim");
  config.rotary.adjacent = true;
  if (config.rotary.n_dims > config.d_head || config.rotary.n_dims % 2 != 0) {
    read.refuse("rotary_dim", "expected an even number up to the head size");
  }
  config.activation = parse_activation(read.text_or("activation_function", "gelu_new"));
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json&, CheckpointReader& reader) {
  reader.set_prefixes({"transformer.", ""});
  reader.ignore({"*.attn.bias", "*.attn.masked_bias", "*.attn.embed_positions"});
  const PartNames names = {"wte.weight", "", "h."};
  Weights weights = read_tables_and_blocks(config, reader, names, read_block);
  weights.ln_final = reader.norm("ln_f", config.d_model, config.norm);
  read_unembedding(config, reader, weights);
  weights.b_U = reader.tensor("lm_head.bias", {config.d_vocab});
  return weights;
}

}  // namespace

Family gptj() { return {"gptj", config, weights}; }

}  // namespace weir::architectures
