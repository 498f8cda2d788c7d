#pragma once

#include <string>

#include "bench/bench.h"
#include "weir/model/transformer.h"

namespace weir::bench {

/// A model of GPT-2 small's shape with random weights, always the same ones.
Transformer random_gpt2_small();
/// int64 [4, 128]
at::Tensor random_gpt2_tokens();
/// Name, work, amount and FLOPs of one forward over those tokens; `kept` says what is kept of it.
Result gpt2_result(const std::string& name, const std::string& kept);

}  // namespace weir::bench
