#include "weir/pretrain/flops.h"

#include <algorithm>
#include <chrono>

#include <ATen/ATen.h>

namespace weir {

double training_flops_per_token(const Weights& weights, const ModelConfig& config, int64_t length) {
  double per_token = static_cast<double>(weights.W_U.n_in() * weights.W_U.n_out());
  for (const BlockWeights& block : weights.blocks) {
    for (const Matrix* matrix : {&block.attn.W_Q, &block.attn.W_K, &block.attn.W_V, &block.attn.W_O,
                                 &block.mlp.W_in, &block.mlp.W_gate, &block.mlp.W_out}) {
      if (matrix->defined()) per_token += static_cast<double>(matrix->n_in() * matrix->n_out());
    }
    per_token += static_cast<double>(2 * config.n_heads * config.d_head) *
                 static_cast<double>(length + 1) / 2;
  }
  return 3 * 2 * per_token;
}

double product_speed() {
  constexpr int64_t kSize = 1024;
  const at::Tensor a = at::ones({kSize, kSize}), b = at::ones({kSize, kSize});
  at::Tensor c = at::mm(a, b);
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    const auto start = std::chrono::steady_clock::now();
    at::mm_out(c, a, b);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * kSize * kSize * kSize / taken.count());
  }
  return best;
}

}  // namespace weir
