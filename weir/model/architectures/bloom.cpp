#include "weir/model/architectures/families.h"
#include "weir/model/architectures/parts.h"

namespace weir::architectures {
namespace {

void read_block(const ModelConfig& config, CheckpointReader& reader, const std::string& prefix,
                BlockWeights& block) {
  const int64_t d = config.d_model, m = config.d_mlp;
  const std::string attn = prefix + "self_attention.";
  block.ln1 = reader.norm(prefix + "input_layernorm", d, config.norm);
  block.ln2 = reader.norm(prefix + "post_attention_layernorm", d, config.norm);
  read_qkv_by_head(config, reader, attn + "query_key_value", true, block.attn);
  read_linear(reader, attn + "dense", d, d, true, block.attn.W_O, block.attn.b_O);
  read_linear(reader, prefix + "mlp.dense_h_to_4h", m, d, true, block.mlp.W_in, block.mlp.b_in);
  read_linear(reader, prefix + "mlp.dense_4h_to_h", d, m, true, block.mlp.W_out, block.mlp.b_out);
}

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = base_config(read, /*tied_by_default=*/true);
  config.n_layers = read.has("n_layer") ? read.layers("n_layer") : read.layers("num_hidden_layers");
  config.d_model = read.has("hidden_size") ? read.size("hidden_size") : read.size("n_embed");
  config.n_heads = config.n_kv_heads =
      read.has("n_head") ? read.size("n_head") : read.size("num_attention_heads");
  config.d_mlp = 4 * config.d_model;
  config.n_ctx = read.size_or("seq_length", 2048);  // Trained length; ALiBi has no limit.
  derive_heads(config);
  config.norm_eps = read.number_or("layer_norm_epsilon", 1e-5);
  config.residual_after_norm = read.flag_or("apply_residual_connection_post_layernorm", false);
  config.embed_norm = true;
  config.position = PositionKind::kAlibi;
  config.activation = Activation::kGeluTanh;
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json&, CheckpointReader& reader) {
  reader.set_prefixes({"transformer.", ""});
  const PartNames names = {"word_embeddings.weight", "", "h."};
  Weights weights = read_tables_and_blocks(config, reader, names, read_block);
  weights.embed_norm = reader.norm("word_embeddings_layernorm", config.d_model, config.norm);
  weights.ln_final = reader.norm("ln_f", config.d_model, config.norm);
  read_unembedding(config, reader, weights);
  return weights;
}

}  // namespace

Family bloom() { return {"bloom", config, weights}; }

}  // namespace weir::architectures
