#include "weir/model/architectures/families.h"
#include "weir/model/architectures/parts.h"
#include "weir/model/rope_config.h"

namespace weir::architectures {
namespace {

void read_block(const ModelConfig& config, CheckpointReader& reader, const std::string& prefix,
                bool attention_bias, BlockWeights& block) {
  const int64_t d = config.d_model, m = config.d_mlp;
  block.ln1 = reader.norm(prefix + "input_layernorm", d, config.norm);
  block.ln2 = reader.norm(prefix + "post_attention_layernorm", d, config.norm);
  read_qkv_by_head(config, reader, prefix + "attention.query_key_value", attention_bias,
                   block.attn);
  read_linear(reader, prefix + "attention.dense", d, d, attention_bias, block.attn.W_O,
              block.attn.b_O);
  read_linear(reader, prefix + "mlp.dense_h_to_4h", m, d, true, block.mlp.W_in, block.mlp.b_in);
  read_linear(reader, prefix + "mlp.dense_4h_to_h", d, m, true, block.mlp.W_out, block.mlp.b_out);
}

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = base_config(read, /*tied_by_default=*/false);
  read_sizes(read, config);
  derive_heads(config);
  config.norm_eps = read.number_or("layer_norm_eps", 1e-5);
  config.parallel_block = read.flag_or("use_parallel_residual", true);
  config.position = PositionKind::kRotary;
  RopeDefaults rope;
  rope.partial = 0.25;
  rope.can_be_partial = true;
  config.rotary = read_rotary(read, config, rope);
  config.activation = parse_activation(read.text_or("hidden_act", "gelu"));
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  const bool attention_bias = ConfigReader(json).flag_or("attention_bias", true);
  reader.set_prefixes({"gpt_neox.", ""});
  reader.ignore({"*.attention.bias", "*.attention.masked_bias", "*.rotary_emb.inv_freq"});
  Weights weights;
  weights.W_E = reader.linear("embed_in.weight", config.d_vocab, config.d_model);
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    read_block(config, reader, "layers." + std::to_string(layer) + ".", attention_bias,
               weights.blocks.emplace_back());
  }
  weights.ln_final = reader.norm("final_layer_norm", config.d_model, config.norm);
  read_unembedding(config, reader, weights, "embed_out.weight");
  return weights;
}

}  // namespace

Family gpt_neox() { return {"gpt_neox", config, weights}; }

}  // namespace weir::architectures
