#include "weir/model/heads.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

// One head's columns of a matrix held [in, heads K].
at::Tensor columns(const ModelConfig& config, const Matrix& matrix, int64_t head) {
  return matrix.slice_out(head * config.d_head, config.d_head).dense(at::kFloat);
}

const AttentionWeights& attention_of(const Weights& weights, int64_t layer) {
  const auto n_layers = static_cast<int64_t>(weights.blocks.size());
  require(layer >= 0 && layer < n_layers, "heads: expected a layer from 0 to {}, got {}",
          n_layers - 1, layer);
  return weights.blocks[layer].attn;
}

}  // namespace

int64_t kv_head(const ModelConfig& config, int64_t head) {
  require(head >= 0 && head < config.n_heads, "heads: expected a head from 0 to {}, got {}",
          config.n_heads - 1, head);
  return head / (config.n_heads / config.n_kv_heads);
}

at::Tensor per_query_head(const ModelConfig& config, const at::Tensor& kv, int64_t axis) {
  require(axis >= -kv.dim() && axis < kv.dim() && kv.size(axis) == config.n_kv_heads,
          "heads: expected {} key heads along axis {}, got shape {}", config.n_kv_heads, axis,
          c10::str(kv.sizes()));
  return kv.repeat_interleave(config.n_heads / config.n_kv_heads, axis);
}

FactoredMatrix ov(const Weights& weights, const ModelConfig& config, int64_t layer, int64_t head) {
  const AttentionWeights& attn = attention_of(weights, layer);
  const int64_t k = config.d_head;
  const at::Tensor values = columns(config, attn.W_V, kv_head(config, head));
  return {values, attn.W_O.dense(at::kFloat).slice(0, head * k, (head + 1) * k)};
}

FactoredMatrix qk(const Weights& weights, const ModelConfig& config, int64_t layer, int64_t head) {
  const AttentionWeights& attn = attention_of(weights, layer);
  const at::Tensor keys = columns(config, attn.W_K, kv_head(config, head));
  return {columns(config, attn.W_Q, head), keys.t()};
}

}  // namespace weir
