#include "weir/model/architectures/families.h"
#include "weir/model/architectures/parts.h"

namespace weir::architectures {
namespace {

// Conv1D: weights are stored [in, out]; the columns of c_attn are q, k, v.
void read_block(const ModelConfig& config, CheckpointReader& reader, const std::string& prefix,
                BlockWeights& block) {
  const int64_t d = config.d_model, m = config.d_mlp;
  block.ln1 = reader.norm(prefix + "ln_1", d, config.norm);
  block.ln2 = reader.norm(prefix + "ln_2", d, config.norm);
  Matrix* const matrices[] = {&block.attn.W_Q, &block.attn.W_K, &block.attn.W_V};
  at::Tensor* const biases[] = {&block.attn.b_Q, &block.attn.b_K, &block.attn.b_V};
  for (int64_t part = 0; part < 3; ++part) {
    const OutputRuns columns{part * d, d};
    *matrices[part] = reader.conv1d(prefix + "attn.c_attn.weight", d, 3 * d, columns);
    *biases[part] = reader.tensor(prefix + "attn.c_attn.bias", {3 * d}, columns);
  }
  block.attn.W_O = reader.conv1d(prefix + "attn.c_proj.weight", d, d);
  block.attn.b_O = reader.tensor(prefix + "attn.c_proj.bias", {d});
  block.mlp.W_in = reader.conv1d(prefix + "mlp.c_fc.weight", d, m);
  block.mlp.b_in = reader.tensor(prefix + "mlp.c_fc.bias", {m});
  block.mlp.W_out = reader.conv1d(prefix + "mlp.c_proj.weight", m, d);
  block.mlp.b_out = reader.tensor(prefix + "mlp.c_proj.bias", {d});
}

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = base_config(read, /*tied_by_default=*/true);
  config.n_layers = read.layers("n_layer");
  config.d_model = read.size("n_embd");
  config.n_heads = config.n_kv_heads = read.size("n_head");
  config.d_mlp = read.size_or("n_inner", 4 * config.d_model);
  config.n_ctx = read.size_or("n_positions", read.size_or("n_ctx", 1024));
  derive_heads(config);
  if (!read.flag_or("scale_attn_weights", true)) config.attn_scale = 1;
  config.scale_by_inverse_layer = read.flag_or("scale_attn_by_inverse_layer_idx", false);
  config.norm_eps = read.number_or("layer_norm_epsilon", 1e-5);
  config.position = PositionKind::kLearned;
  config.activation = parse_activation(read.text_or("activation_function", "gelu_new"));
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json&, CheckpointReader& reader) {
  reader.set_prefixes({"transformer.", ""});
  reader.ignore({"*.attn.bias", "*.attn.masked_bias"});
  const PartNames names = {"wte.weight", "wpe.weight", "h."};
  Weights weights = read_tables_and_blocks(config, reader, names, read_block);
  weights.ln_final = reader.norm("ln_f", config.d_model, config.norm);
  read_unembedding(config, reader, weights);
  return weights;
}

}  // namespace

Family gpt2() { return {"gpt2", config, weights}; }

}  // namespace weir::architectures
