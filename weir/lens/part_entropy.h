#pragma once

#include <ATen/core/Tensor.h>

#include "weir/lens/policies.h"

namespace weir {

/// Entropies of what the parts of modules write, each read as a policy (2512.19673, equation 6, for
/// single heads and neurons). B rows, T positions, L layers, H heads, F neurons; nats. A head's
/// write is z_h W_O without b_O, a neuron's a_i W_out[i] without b_out; where a norm follows what a
/// module writes (Gemma 2), times that norm's gain over its true scale.
struct PartEntropies {
  at::Tensor head;    ///< [L, B, T, H]
  at::Tensor neuron;  ///< [L, B, F] at the last position; undefined unless asked for
};

/// `neurons`: L F further rows of the unembedding for each prompt. A layer's writes are held at a
/// time, [B, T, H, D].
PartEntropies part_entropies(const LanguageModel& lm, const TokenBatch& batch, PolicyNorm norm,
                             bool neurons = false);

}  // namespace weir
