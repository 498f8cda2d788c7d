#include "bench/gpt2_shape.h"

#include <ATen/ATen.h>

#include "bench/measure.h"

namespace weir::bench {
namespace {

constexpr int64_t kBatch = 4, kPositions = 128;
constexpr int64_t kLayers = 12, kHeads = 12, kModel = 768, kMlp = 3072, kVocabulary = 50257;

ModelConfig config_of_gpt2_small() {
  ModelConfig config;
  config.family = "gpt2";
  config.name = "GPT-2 small, random";
  config.n_layers = kLayers;
  config.d_model = kModel;
  config.n_heads = config.n_kv_heads = kHeads;
  config.d_head = kModel / kHeads;
  config.d_mlp = kMlp;
  config.d_vocab = kVocabulary;
  config.n_ctx = 1024;
  config.position = PositionKind::kLearned;
  config.attn_scale = 0.125;
  config.tied = true;
  return config;
}

at::Tensor random(at::IntArrayRef shape) { return at::randn(shape).mul_(0.02); }
NormWeights unit_norm() { return {at::ones({kModel}), at::zeros({kModel}), true}; }

Weights random_weights() {
  at::manual_seed(0);
  Weights weights;
  // A table as checkpoints store it: rows [V, D].
  weights.W_E = weights.W_U = Matrix(random({kVocabulary, kModel}).t());
  weights.W_pos = random({1024, kModel});
  weights.ln_final = unit_norm();
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    BlockWeights block;
    block.ln1 = block.ln2 = unit_norm();
    for (Matrix* matrix : {&block.attn.W_Q, &block.attn.W_K, &block.attn.W_V, &block.attn.W_O}) {
      *matrix = Matrix(random({kModel, kModel}));
    }
    for (at::Tensor* bias : {&block.attn.b_Q, &block.attn.b_K, &block.attn.b_V, &block.attn.b_O}) {
      *bias = random({kModel});
    }
    block.mlp.W_in = Matrix(random({kModel, kMlp}));
    block.mlp.W_out = Matrix(random({kMlp, kModel}));
    block.mlp.b_in = random({kMlp});
    block.mlp.b_out = random({kModel});
    weights.blocks.push_back(std::move(block));
  }
  return weights;
}

}  // namespace

Transformer random_gpt2_small() { return Transformer(config_of_gpt2_small(), random_weights()); }

at::Tensor random_gpt2_tokens() {
  return at::randint(kVocabulary, {kBatch, kPositions}, at::kLong);
}

Result gpt2_result(const std::string& name, const std::string& kept) {
  Result result;
  result.name = name;
  result.work = "GPT-2-small shape (random), 4 x 128 tokens, float32, all logits, " + kept;
  result.amount = kBatch * kPositions;
  result.unit = "tokens/s";
  const LanguageModelShape shape{kLayers, kModel, kMlp, kVocabulary, kModel, false};
  result.flops = forward_flops(shape, result.amount, (kPositions + 1) / 2.0, result.amount);
  return result;
}

}  // namespace weir::bench
