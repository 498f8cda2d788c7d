#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/data/batches.h"
#include "weir/model/transformer.h"

namespace weir {

struct LanguageLossOptions {
  double label_smoothing = 0;  ///< Share of the target that all tokens have alike.
  double z_loss = 0;           ///< Factor of logsumexp^2 at each predicted token.
  /// Keeps the stream between the blocks alone, and makes each block a second time for its
  /// gradients (1604.06174): the same numbers, a third more work, memory for one block.
  bool checkpoint = false;
};

/// Sums over the predictions of a batch that count.
struct LanguageLoss {
  double loss = 0;               ///< Of -log p, nats: without smoothing and z-loss.
  double squared_logsumexp = 0;  ///< Of logsumexp^2.
  int64_t n_counted = 0, n_correct = 0;
  double mean() const { return loss / static_cast<double>(n_counted); }
  LanguageLoss& operator+=(const LanguageLoss& more);
};

/// The loss of a batch under `weights` (those of `model`, or an overlay), without gradients.
LanguageLoss language_loss(const Transformer& model, const Weights& weights,
                           const data::Batch& batch);

struct LanguageGradients {
  LanguageLoss sums;
  /// d (objective / divisor) / d leaf; undefined where the loss does not depend on the leaf. The
  /// objective is the sum of what `options` say over the batch, so the parts of a batch, each with
  /// the divisor of the whole, add up to the whole.
  std::vector<at::Tensor> gradients;
};

/// Gradients with respect to `leaves`, which `weights` are, or are computed from: those of
/// `trainable` (model/own.h), an adapter's, a mask's. A tied table is one leaf. Logits are made
/// some rows at a time (tensor/vocab_cross_entropy.h); attention maps are never kept. Activations
/// and products are in the dtype of `model`, gradients in that of the leaves: float32 weights and a
/// bfloat16 model are training with master weights.
LanguageGradients language_gradients(const Transformer& model, const Weights& weights,
                                     const std::vector<at::Tensor>& leaves,
                                     const data::Batch& batch, double divisor,
                                     const LanguageLossOptions& options = {});

}  // namespace weir
