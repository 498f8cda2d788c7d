#include "bench/gpt2_shape.h"

#include <cmath>

#include <ATen/ATen.h>

#include "bench/measure.h"

namespace weir::bench {
namespace {

constexpr int64_t kBatch = 4, kPositions = 128;
constexpr Gpt2Shape kSmall = {12, 12, 768, 50257, 1024};

ModelConfig config_of(const Gpt2Shape& shape) {
  ModelConfig config;
  config.family = "gpt2";
  config.name = "GPT-2, random";
  config.n_layers = shape.n_layers;
  config.d_model = shape.d_model;
  config.n_heads = config.n_kv_heads = shape.n_heads;
  config.d_head = shape.d_model / shape.n_heads;
  config.d_mlp = 4 * shape.d_model;
  config.d_vocab = shape.d_vocab;
  config.n_ctx = shape.n_ctx;
  config.position = PositionKind::kLearned;
  config.attn_scale = 1 / std::sqrt(static_cast<double>(config.d_head));
  config.tied = true;
  return config;
}

at::Tensor random(at::IntArrayRef shape) { return at::randn(shape).mul_(0.02); }

Weights random_weights(const Gpt2Shape& shape) {
  at::manual_seed(0);
  const int64_t d = shape.d_model;
  const auto unit_norm = [d] { return NormWeights{at::ones({d}), at::zeros({d}), true}; };
  Weights weights;
  // A table as checkpoints store it: rows [V, D].
  weights.W_E = weights.W_U = Matrix(random({shape.d_vocab, d}).t());
  weights.W_pos = random({shape.n_ctx, d});
  weights.ln_final = unit_norm();
  for (int64_t layer = 0; layer < shape.n_layers; ++layer) {
    BlockWeights block;
    block.ln1 = unit_norm();
    block.ln2 = unit_norm();
    for (Matrix* matrix : {&block.attn.W_Q, &block.attn.W_K, &block.attn.W_V, &block.attn.W_O}) {
      *matrix = Matrix(random({d, d}));
    }
    for (at::Tensor* bias : {&block.attn.b_Q, &block.attn.b_K, &block.attn.b_V, &block.attn.b_O}) {
      *bias = random({d});
    }
    block.mlp.W_in = Matrix(random({d, 4 * d}));
    block.mlp.W_out = Matrix(random({4 * d, d}));
    block.mlp.b_in = random({4 * d});
    block.mlp.b_out = random({d});
    weights.blocks.push_back(std::move(block));
  }
  return weights;
}

}  // namespace

Transformer random_gpt2(const Gpt2Shape& shape) {
  return Transformer(config_of(shape), random_weights(shape));
}

Transformer random_gpt2_small() { return random_gpt2(kSmall); }

LanguageModel random_gpt2_small_lm() {
  LoadedModel model;
  model.config = config_of(kSmall);
  model.weights = random_weights(kSmall);
  return LanguageModel(std::move(model), std::nullopt);
}

at::Tensor random_gpt2_tokens() {
  return at::randint(kSmall.d_vocab, {kBatch, kPositions}, at::kLong);
}

double forward_flops(const Gpt2Shape& shape, double n_tokens, double mean_keys) {
  const LanguageModelShape plain{shape.n_layers, shape.d_model, 4 * shape.d_model,
                                 shape.d_vocab,  shape.d_model, false};
  return forward_flops(plain, n_tokens, mean_keys, n_tokens);
}

Result gpt2_result(const std::string& name, const std::string& kept) {
  Result result;
  result.name = name;
  result.work = "GPT-2-small shape (random), 4 x 128 tokens, float32, all logits, " + kept;
  result.amount = kBatch * kPositions;
  result.unit = "tokens/s";
  result.flops = forward_flops(kSmall, result.amount, (kPositions + 1) / 2.0);
  return result;
}

}  // namespace weir::bench
