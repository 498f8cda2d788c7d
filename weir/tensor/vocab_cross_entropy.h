#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "weir/tensor/matrix.h"

namespace weir {

constexpr int64_t kNotCounted = -100;  ///< The label of a place where nothing is to be predicted.

struct CrossEntropyOptions {
  double label_smoothing = 0;  ///< e: targets are (1 - e) of the label and e / V of every token.
  double z_loss = 0;           ///< Factor of logsumexp^2 (1910.10683, section 3.1.4; PaLM).
  double softcap = 0;          ///< cap * tanh(logits / cap); 0: none.
};

/// Over the rows whose label counts. p is softmax(softcap(x W_U + b_U)), L its logsumexp.
struct CrossEntropy {
  /// The sum of -(1 - e) log p_label - e mean_v log p_v + z_loss L^2: a scalar, with gradients.
  at::Tensor objective;
  double loss = 0;               ///< Sum of -log p_label, nats.
  double squared_logsumexp = 0;  ///< Sum of L^2.
  int64_t n_counted = 0;
  int64_t n_correct = 0;  ///< The label has the largest logit (another may share it).
};

/// The loss of training: labels int64 [N] of rows x [N, D], kNotCounted where a row does not count,
/// with gradients to x, a dense W_U and b_U [V] (may be undefined).
///
/// Unlike vocab_scores, whose rows may be weighted by whoever reads them, this is one sum. So its
/// gradient is made in the forward, some rows at a time while their logits are there, and scaled in
/// the backward: three products instead of four, at most 64 MB of logits, and a gradient of W_U
/// held until the backward. Float32 on the CPU goes that way; other types hold [N, V], and so do
/// second derivatives. One backward for each forward. Half types are converted to float32.
/// kInvalidArgument for labels outside the vocabulary and shapes that do not fit.
CrossEntropy vocab_cross_entropy(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U,
                                 const at::Tensor& labels, const CrossEntropyOptions& options = {});

}  // namespace weir
