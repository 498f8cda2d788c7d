#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "bench/gpt2_shape.h"
#include "bench/measure.h"
#include "weir/lm/unembedding.h"

namespace weir::bench {
namespace {

constexpr Gpt2Shape kShape = {8, 8, 256, 4096, 256};
constexpr int64_t kBatch = 8, kPositions = 256;

// Every parameter, now wanting gradients, in forward order. The tied table counts once.
std::vector<at::Tensor> leaves_of(const Weights& weights) {
  std::vector<at::Tensor> leaves = {weights.W_E.storage(), weights.W_pos};
  for (const BlockWeights& block : weights.blocks) {
    for (const Matrix* matrix : {&block.attn.W_Q, &block.attn.W_K, &block.attn.W_V, &block.attn.W_O,
                                 &block.mlp.W_in, &block.mlp.W_out}) {
      leaves.push_back(matrix->storage());
    }
    const AttentionWeights& attn = block.attn;
    for (const at::Tensor& part : {block.ln1.w, block.ln1.b, block.ln2.w, block.ln2.b, attn.b_Q,
                                   attn.b_K, attn.b_V, attn.b_O, block.mlp.b_in, block.mlp.b_out}) {
      leaves.push_back(part);
    }
  }
  leaves.push_back(weights.ln_final.w);
  leaves.push_back(weights.ln_final.b);
  for (const at::Tensor& leaf : leaves) leaf.requires_grad_(true);
  return leaves;
}

at::Tensor loss_of(const Transformer& transformer, const Weights& weights,
                   const at::Tensor& tokens) {
  ForwardInput input;
  input.tokens = tokens.slice(1, 0, kPositions);
  input.logits = LogitsAt::kNone;
  const at::Tensor residual = transformer.forward(weights, input).residual;
  const at::Tensor x = final_normed(transformer.config(), weights, residual);
  VocabScoreOptions options;
  options.targets = tokens.slice(1, 1).flatten();
  return -unembedding_scores(transformer.config(), weights, x.flatten(0, 1), options)
              .log_prob.mean();
}

// Against the change of the loss along the gradient, in float64.
double slope_gap(const Transformer& transformer, const at::Tensor& tokens,
                 const at::Tensor& gradient) {
  const Transformer exact(transformer.config(), transformer.weights(), at::kDouble);
  const at::Tensor few = tokens.slice(0, 0, 1);
  const at::Tensor step = gradient.to(at::kDouble) / gradient.norm().item<double>() * 1e-4;
  Weights moved = exact.weights();
  const at::NoGradGuard no_grad;
  const at::Tensor plain = moved.blocks[0].mlp.W_in.storage();
  const auto loss_at = [&](const at::Tensor& change) {
    moved.blocks[0].mlp.W_in = Matrix(plain + change);
    return loss_of(exact, moved, few).item<double>();
  };
  const double slope = (loss_at(step) - loss_at(-step)) / 2e-4;
  return std::abs(slope - gradient.norm().item<double>()) / gradient.norm().item<double>();
}

}  // namespace

Result bench_train_step(const Options& options) {
  const Transformer transformer = random_gpt2(kShape);
  const Weights& weights = transformer.weights();
  const std::vector<at::Tensor> leaves = leaves_of(weights);
  const at::Tensor tokens = at::randint(kShape.d_vocab, {kBatch, kPositions + 1}, at::kLong);
  Result result;
  result.name = "train-step";
  result.work =
      "GPT-2, 8 layers, 8 heads, 256 wide (random), 8 x 256 tokens, vocabulary 4096, float32: "
      "forward, loss, backward";
  std::vector<at::Tensor> gradients;
  result.seconds = measure(options.runs, [&] {
    gradients.clear();
    gradients = torch::autograd::grad({loss_of(transformer, weights, tokens)}, leaves);
  });
  result.amount = kBatch * kPositions;
  result.unit = "tokens/s";
  result.flops = 3 * forward_flops(kShape, result.amount, (kPositions + 1) / 2.0);
  result.peak_rss = peak_rss();
  const at::Tensor& W_in = weights.blocks[0].mlp.W_in.storage();
  const at::Tensor few = loss_of(transformer, weights, tokens.slice(0, 0, 1));
  result.check =
      checked("a gradient's length and the slope of the loss along it in float64",
              slope_gap(transformer, tokens, torch::autograd::grad({few}, {W_in})[0]), 1e-3);
  return result;
}

}  // namespace weir::bench
