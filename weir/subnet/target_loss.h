#pragma once

#include <ATen/core/Tensor.h>

#include "weir/model/config.h"
#include "weir/model/weights.h"
#include "weir/subnet/token_target.h"

namespace weir {

struct TargetLossOptions {
  bool gradient = false;
  /// int64 [N]: tokens whose log-probabilities are wanted too; -1: none in this row.
  at::Tensor tokens;
  /// Those of the model over its whole vocabulary, not the target's alone (as the paper's final
  /// evaluation has it; the two differ for models with padding rows).
  bool all_tokens = false;
};

/// Of N rows against their targets q: with p = softmax of the logits of the target's vocabulary.
struct TargetLoss {
  at::Tensor cross_entropy;  ///< float64 [N]: -sum_v q_v log p_v, nats
  at::Tensor entropy;        ///< float64 [N] of q: KL(q || p) = cross_entropy - entropy
  at::Tensor gradient;       ///< [N, D]: d mean(cross_entropy) / d x; undefined if not asked for
  at::Tensor log_p, log_q;   ///< float64 [N] of TargetLossOptions::tokens; log_q can be -inf
};

/// Rows x [N, D] that the unembedding reads, already normed, in float32 or float64, outside of any
/// graph. A block of rows at a time has its logits in memory (32 MB), used for loss and gradient
/// alike: forward and backward are two products, and neither [N, V] logits nor dense targets are
/// ever held.
TargetLoss target_loss(const ModelConfig& config, const Weights& weights, const at::Tensor& x,
                       const TokenTarget& target, TargetBatch& batch,
                       const TargetLossOptions& options = {});

}  // namespace weir
