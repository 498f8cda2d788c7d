#include "weir/model/architectures/parts.h"

#include <cmath>

#include "weir/base/error.h"

namespace weir::architectures {

void derive_heads(ModelConfig& config) {
  if (config.d_head == 0) {
    if (config.d_model % config.n_heads != 0) {
      fail(ErrorCode::kCorruptData, "config.json: hidden size {} does not divide into {} heads",
           config.d_model, config.n_heads);
    }
    config.d_head = config.d_model / config.n_heads;
  }
  if (config.n_heads % config.n_kv_heads != 0) {
    fail(ErrorCode::kCorruptData, "config.json: {} heads cannot share {} key/value heads",
         config.n_heads, config.n_kv_heads);
  }
  config.attn_scale = 1 / std::sqrt(static_cast<double>(config.d_head));
}

Weights read_tables_and_blocks(const ModelConfig& config, CheckpointReader& reader,
                               const PartNames& names, BlockReader read_block) {
  Weights weights;
  weights.W_E = reader.linear(names.tokens, config.d_vocab, config.d_model);
  if (!names.positions.empty()) {
    weights.W_pos = reader.tensor(names.positions, {config.n_ctx, config.d_model});
  }
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    const std::string prefix = names.blocks + std::to_string(layer) + ".";
    read_block(config, reader, prefix, weights.blocks.emplace_back());
  }
  return weights;
}

void read_unembedding(const ModelConfig& config, CheckpointReader& reader, Weights& weights,
                      const std::string& weight) {
  reader.set_prefixes({""});
  weights.W_U = reader.output_table(weight, weights.W_E, config.tied);
}

void read_linear(CheckpointReader& reader, const std::string& prefix, int64_t n_out, int64_t n_in,
                 bool has_bias, Matrix& matrix, at::Tensor& bias, const OutputRuns& outputs) {
  matrix = reader.linear(prefix + ".weight", n_out, n_in, outputs);
  if (has_bias) bias = reader.tensor(prefix + ".bias", {n_out}, outputs);
}

void read_qkv_by_head(const ModelConfig& config, CheckpointReader& reader,
                      const std::string& prefix, bool has_bias, AttentionWeights& attn) {
  const int64_t h = config.n_heads, k = config.d_head;
  Matrix* matrices[] = {&attn.W_Q, &attn.W_K, &attn.W_V};
  at::Tensor* biases[] = {&attn.b_Q, &attn.b_K, &attn.b_V};
  for (int64_t part = 0; part < 3; ++part) {
    read_linear(reader, prefix, 3 * h * k, config.d_model, has_bias, *matrices[part], *biases[part],
                {part * k, k, 3 * k, h});
  }
}

}  // namespace weir::architectures
