#pragma once

#include <vector>

#include "weir/rl/policy.h"

/// What a training is watched by: full distributions at some tokens, without gradients.
namespace weir::rl {

/// Mean of KL(p || q) in nats over the first `most_tokens` marked tokens (spread over the rows), of
/// two policies of one model.
double policy_kl(const Transformer& model, const Weights& weights, const TokenBatch& batch,
                 const at::Tensor& mask, const PolicySpec& p, const PolicySpec& q,
                 int64_t most_tokens = 64);

/// Mean entropy, nats, of every layer's policy without a norm, layers 1 to L, over such tokens.
std::vector<double> layer_entropies(const Transformer& model, const Weights& weights,
                                    const TokenBatch& batch, const at::Tensor& mask,
                                    int64_t most_tokens = 64);

/// `mask` with only so many ones, evenly among those it has.
at::Tensor thinned(const at::Tensor& mask, int64_t most_tokens);

}  // namespace weir::rl
