#include "weir/model/process.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"

namespace weir {
namespace {

at::Tensor float_matrix(const Matrix& matrix) { return matrix.dense(at::kFloat); }

at::Tensor sum_of(const at::Tensor& bias, const at::Tensor& more) {
  return bias.defined() ? bias + more : more;
}

// Folds the gain and bias of a norm into one matrix [D, out] that reads its output. What a
// LayerNorm hands on has mean zero, so the part of W along the ones is without effect: it goes too.
void fold_into(const NormWeights& norm, const ModelConfig& config, Matrix& matrix,
               at::Tensor& bias) {
  if (!matrix.defined()) return;
  at::Tensor w = float_matrix(matrix);
  if (norm.b.defined()) bias = sum_of(bias, at::matmul(norm.b, w));
  if (norm.w.defined()) w = w * (norm.w + config.norm_offset).unsqueeze(1);
  if (config.norm == NormKind::kLayerNorm) w = w - w.mean(0, /*keepdim=*/true);
  matrix = Matrix(w);
}

void forget_gain(NormWeights& norm) {
  norm.w = at::Tensor();
  norm.b = at::Tensor();
}

void fold_block(const ModelConfig& config, BlockWeights& block) {
  AttentionWeights& attn = block.attn;
  MlpWeights& mlp = block.mlp;
  if (block.ln1.present) {
    fold_into(block.ln1, config, attn.W_Q, attn.b_Q);
    fold_into(block.ln1, config, attn.W_K, attn.b_K);
    fold_into(block.ln1, config, attn.W_V, attn.b_V);
  }
  // A parallel block without a norm of its own for the MLP gives it the attention's.
  const bool shares_ln1 = config.parallel_block && !block.ln2.present;
  const NormWeights& before_mlp = shares_ln1 ? block.ln1 : block.ln2;
  if (before_mlp.present) {
    fold_into(before_mlp, config, mlp.W_in, mlp.b_in);
    fold_into(before_mlp, config, mlp.W_gate, mlp.b_gate);
  }
  forget_gain(block.ln1);
  forget_gain(block.ln2);
}

void fold_norms(ModelConfig& config, Weights& weights) {
  for (BlockWeights& block : weights.blocks) fold_block(config, block);
  if (weights.ln_final.present) {
    fold_into(weights.ln_final, config, weights.W_U, weights.b_U);
    forget_gain(weights.ln_final);
  }
  config.norm_folded = true;
}

// Every reader of the stream must start with a LayerNorm, which removes the mean anyway.
bool can_center_writing(const ModelConfig& config, const Weights& weights) {
  if (config.norm != NormKind::kLayerNorm || !config.pre_norm || !weights.ln_final.present) {
    return false;
  }
  for (const BlockWeights& block : weights.blocks) {
    const bool mlp_reads_norm = block.ln2.present || config.parallel_block;
    if (!block.ln1.present || !mlp_reads_norm) return false;
  }
  return true;
}

// Minus the mean over the residual stream's axis, which is the last.
at::Tensor centered(const at::Tensor& writes) {
  return writes.defined() ? writes - writes.mean(-1, /*keepdim=*/true) : writes;
}

void center_writing(Weights& weights) {
  weights.W_E = Matrix(centered(float_matrix(weights.W_E).t()).t());
  weights.W_pos = centered(weights.W_pos);
  for (BlockWeights& block : weights.blocks) {
    block.attn.W_O = Matrix(centered(float_matrix(block.attn.W_O)));
    block.attn.b_O = centered(block.attn.b_O);
    block.mlp.W_out = Matrix(centered(float_matrix(block.mlp.W_out)));
    block.mlp.b_out = centered(block.mlp.b_out);
  }
}

void center_unembed(Weights& weights) {
  weights.W_U = Matrix(centered(float_matrix(weights.W_U)));
  if (weights.b_U.defined()) weights.b_U = weights.b_U - weights.b_U.mean();
}

// Attention rows sum to one, so what b_V adds to every value arrives at the output as it is.
void fold_value_bias(const ModelConfig& config, AttentionWeights& attn) {
  if (!attn.b_V.defined()) return;
  const int64_t queries_per_key = config.n_heads / config.n_kv_heads;
  const at::Tensor per_query_head = attn.b_V.view({config.n_kv_heads, config.d_head})
                                        .repeat_interleave(queries_per_key, 0)
                                        .flatten();
  attn.b_O = sum_of(attn.b_O, at::matmul(per_query_head, float_matrix(attn.W_O)));
  attn.b_V = at::Tensor();
}

}  // namespace

LoadedModel process_weights(const LoadedModel& model, const ProcessOptions& options) {
  const at::NoGradGuard no_grad;
  LoadedModel result = model;
  ModelConfig& config = result.config;
  Weights& weights = result.weights;
  if (options.fold_norm && config.pre_norm && !config.residual_after_norm && !config.norm_folded)
    fold_norms(config, weights);
  if (options.center_writing_weights && can_center_writing(config, weights)) {
    center_writing(weights);
  }
  if (options.center_unembed && config.logit_softcap == 0) center_unembed(weights);
  if (options.fold_value_biases) {
    for (BlockWeights& block : weights.blocks) fold_value_bias(config, block.attn);
  }
  // W_E and W_U have gone different ways.
  config.tied = weights.W_U.is_same(weights.W_E);
  return result;
}

}  // namespace weir
