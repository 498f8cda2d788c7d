#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "weir/tensor/matrix.h"

namespace weir {

/// Rows of which few entries are not 0 (CSR): row i's tokens are column[start[i], start[i + 1]),
/// ascending, with the weights `value`. int64 [N + 1], int64 [n], float [n].
struct SparseRows {
  at::Tensor start, column, value;
};

/// Distributions softmax(softcap(x W_U + b_U) / temperature) over a vocabulary, and what their
/// log-probabilities are taken of. N rows, V vocabulary. At most one form of targets.
struct VocabScoreOptions {
  at::Tensor targets;         ///< int64 [N]: one token a row.
  SparseRows sparse_targets;  ///< Weights of some tokens (a bigram table's rows).
  at::Tensor dense_targets;   ///< [N, V'] weights of all tokens that are left (distillation).
  double temperature = 1;
  double softcap = 0;  ///< cap * tanh(logits / cap), before the temperature; 0: none.
  /// Only the first tokens of a table with padding rows; 0: all of it.
  int64_t n_vocabulary = 0;
  /// Only these tokens, int64 [V'], ascending (their columns are copied); undefined: all.
  at::Tensor vocabulary;
};

/// [N] each, nats, with gradients. Of weights q: log_prob = sum_v q_v log p_v (undefined without
/// targets), entropy = -sum_v p_v log p_v, logsumexp of the logits over the temperature.
struct VocabScores {
  at::Tensor log_prob, entropy, logsumexp;
};

/// Scores of rows x [N, D] with gradients to x, to a dense W_U (a tied table's gradients add up)
/// and to b_U [V] (may be undefined), without ever holding [N, V]: the vocabulary goes by in tiles
/// of 16 MB, and backward makes each tile again. With t the logits over the temperature, L their
/// logsumexp, H the entropy, and g the incoming gradients:
///
///   d/dt_v = p_v (g_L - g_lp sum q + g_H (L - H) - g_H t_v) + g_lp q_v
///
/// Computes in float64 where x is float64, else in float32 (half types are converted). Work: one
/// product forward; backward one again and one for each of x and W_U that wants gradients. Second
/// derivatives go through the plain form, which holds [N, V]; targets have no gradients.
/// kInvalidArgument for targets outside the vocabulary and shapes that do not fit.
VocabScores vocab_scores(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U,
                         const VocabScoreOptions& options);

}  // namespace weir
