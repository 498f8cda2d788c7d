#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "weir/tensor/matrix.h"

namespace weir {

/// Which statistics of the distributions softmax(logits) are wanted. N rows, V vocabulary.
struct VocabStatsOptions {
  bool entropy = true;
  at::Tensor targets;    ///< int64 [N]: log-probability and rank of this token; undefined: none.
  int64_t top_k = 0;     ///< The k most probable tokens of each row.
  at::Tensor reference;  ///< int64 [N]: row whose distribution is the reference of this row's KL;
                         ///< undefined: none.
  double softcap = 0;    ///< cap * tanh(logits / cap); 0: none.
};

/// Everything in nats; undefined where it was not asked for.
struct VocabStats {
  at::Tensor logsumexp;  ///< [N]
  at::Tensor entropy;    ///< [N]
  at::Tensor log_prob;   ///< [N] of the target
  at::Tensor rank;     ///< int64 [N] of the target; 0: the most probable (ties count in favour, and
                       ///< what float32 cannot tell apart is a tie)
  at::Tensor top_ids;  ///< int64 [N, k], most probable first
  at::Tensor top_log_probs;  ///< [N, k]
  at::Tensor kl;             ///< [N]: KL(reference row's distribution || this row's)
};

/// Statistics of softmax(x W_U + b_U) for rows x [N, D], without ever holding [N, V]: the
/// vocabulary goes by in tiles of which each is multiplied for blocks of rows, and the sums are
/// carried along (online softmax). Float32; W_U may be stored in any form. Needs memory for
/// a block of rows times a tile (16 MB, as much again for references), whatever N and V are.
/// The products are made on the device of x and W_U, the rest on the CPU; results are on the CPU.
/// Not differentiable. kInvalidArgument for targets or references that do not exist.
VocabStats vocab_stats(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U,
                       const VocabStatsOptions& options);

}  // namespace weir
