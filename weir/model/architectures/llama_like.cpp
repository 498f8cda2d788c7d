#include "weir/model/architectures/llama_like.h"

namespace weir::architectures {
namespace {

void read_attention(const ModelConfig& config, CheckpointReader& reader, const std::string& prefix,
                    const Biases& biases, AttentionWeights& attn) {
  const int64_t d = config.d_model, k = config.d_head;
  const int64_t n_q = config.n_heads * k, n_kv = config.n_kv_heads * k;
  read_linear(reader, prefix + "q_proj", n_q, d, biases.qkv, attn.W_Q, attn.b_Q);
  read_linear(reader, prefix + "k_proj", n_kv, d, biases.qkv, attn.W_K, attn.b_K);
  read_linear(reader, prefix + "v_proj", n_kv, d, biases.qkv, attn.W_V, attn.b_V);
  read_linear(reader, prefix + "o_proj", d, n_q, biases.out, attn.W_O, attn.b_O);
  if (config.qk_norm != QkNorm::kPerHead && config.qk_norm != QkNorm::kWholeProjection) return;
  const bool whole = config.qk_norm == QkNorm::kWholeProjection;
  attn.q_norm = reader.norm(prefix + "q_norm", whole ? n_q : k, config.norm);
  attn.k_norm = reader.norm(prefix + "k_norm", whole ? n_kv : k, config.norm);
}

void read_mlp(const ModelConfig& config, CheckpointReader& reader, const std::string& prefix,
              const Biases& biases, MlpWeights& mlp) {
  const int64_t d = config.d_model, m = config.d_mlp;
  read_linear(reader, prefix + "gate_proj", m, d, biases.mlp, mlp.W_gate, mlp.b_gate);
  read_linear(reader, prefix + "up_proj", m, d, biases.mlp, mlp.W_in, mlp.b_in);
  read_linear(reader, prefix + "down_proj", d, m, biases.mlp, mlp.W_out, mlp.b_out);
}

}  // namespace

ModelConfig llama_like_config(const ConfigReader& read, const LlamaLikeDefaults& defaults) {
  ModelConfig config = base_config(read, defaults.tied);
  read_sizes(read, config);
  if (config.d_head == 0) config.d_head = defaults.d_head;
  derive_heads(config);
  config.norm = NormKind::kRmsNorm;
  config.norm_eps = read.number_or("rms_norm_eps", defaults.eps);
  config.position = PositionKind::kRotary;
  config.activation = parse_activation(read.text_or("hidden_act", "silu"));
  config.gated_mlp = true;
  return config;
}

void read_block_norms(const ModelConfig& config, CheckpointReader& reader,
                      const std::string& prefix, const BlockNorms& names, BlockWeights& block) {
  const auto read = [&](const std::string& name, NormWeights& norm) {
    if (!name.empty()) norm = reader.norm(prefix + name, config.d_model, config.norm);
  };
  read(names.ln1, block.ln1);
  read(names.ln1_post, block.ln1_post);
  read(names.ln2, block.ln2);
  read(names.ln2_post, block.ln2_post);
}

Weights llama_like_weights(const ModelConfig& config, CheckpointReader& reader,
                           const BlockNorms& norms, const Biases& biases) {
  reader.set_prefixes({"model.", ""});
  reader.ignore({"*.rotary_emb.inv_freq"});
  Weights weights;
  weights.W_E = reader.linear("embed_tokens.weight", config.d_vocab, config.d_model);
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    const std::string prefix = "layers." + std::to_string(layer) + ".";
    BlockWeights& block = weights.blocks.emplace_back();
    read_block_norms(config, reader, prefix, norms, block);
    read_attention(config, reader, prefix + "self_attn.", biases, block.attn);
    read_mlp(config, reader, prefix + "mlp.", biases, block.mlp);
  }
  weights.ln_final = reader.norm("norm", config.d_model, config.norm);
  read_unembedding(config, reader, weights);
  return weights;
}

Biases biases_of_config(const ConfigReader& read) {
  const bool attention = read.flag_or("attention_bias", false);
  return {attention, attention, read.flag_or("mlp_bias", false)};
}

}  // namespace weir::architectures
