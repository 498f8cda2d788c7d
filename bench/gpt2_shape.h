#pragma once

#include <string>

#include "bench/bench.h"
#include "weir/lm/language_model.h"
#include "weir/model/transformer.h"

namespace weir::bench {

/// GPT-2's architecture: learned positions, LayerNorm, tied tables, an MLP of four times the width.
struct Gpt2Shape {
  int64_t n_layers, n_heads, d_model, d_vocab, n_ctx;
};
/// A model of that shape with random weights, always the same ones.
Transformer random_gpt2(const Gpt2Shape& shape);
/// The least that a forward over `n_tokens` with all logits needs, each seeing `mean_keys` keys.
double forward_flops(const Gpt2Shape& shape, double n_tokens, double mean_keys);

/// That of GPT-2 small: 12 layers, 12 heads, 768 wide.
Transformer random_gpt2_small();
LanguageModel random_gpt2_small_lm();  ///< Without a tokenizer.
/// int64 [4, 128]
at::Tensor random_gpt2_tokens();
/// Name, work, amount and FLOPs of one forward over those tokens; `kept` says what is kept of it.
Result gpt2_result(const std::string& name, const std::string& kept);

}  // namespace weir::bench
