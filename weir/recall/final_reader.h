#pragma once

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

/// Centred logits: pi(t) = logit(t) - mean over the vocabulary, the reading of 2403.19521's code.
/// It equals the logit after W_U was centred over the vocabulary, so it needs a few columns of W_U
/// and their mean, never a table [N, V]. A logit soft cap (Gemma 2) is left out of it.
namespace weir {

class FinalReader {
 public:
  explicit FinalReader(const LanguageModel& lm);

  /// pi of `ids` (int64 [N]) read from streams [.., N, D] by final norm and unembedding, each
  /// stream with its own statistics.
  at::Tensor own(const at::Tensor& stream, const at::Tensor& ids) const;
  /// The same with the scale of the final norm given, [N]: linear in the stream, so that
  /// differences of streams are direct effects.
  at::Tensor frozen(const at::Tensor& stream, const at::Tensor& ids, const at::Tensor& scale) const;
  /// What part [.., N, D] of the stream adds to pi at that scale: as `frozen`, without the biases.
  at::Tensor share(const at::Tensor& part, const at::Tensor& ids, const at::Tensor& scale) const;
  /// The scale of the final norm, [N], of streams [N, D].
  at::Tensor scale(const at::Tensor& stream) const;

  const at::Tensor& W_U() const { return W_U_; }            ///< [D, V] as stored
  const at::Tensor& mean_W_U() const { return mean_W_U_; }  ///< [D] over the vocabulary
  at::Tensor gain() const;                                  ///< [D] of the final norm; ones
  /// y - mean over D for LayerNorm, y itself for RMSNorm.
  at::Tensor centred(const at::Tensor& y) const;
  bool centres() const;

 private:
  const LanguageModel& lm_;
  at::Tensor W_U_, mean_W_U_, b_U_;
  at::Tensor read(const at::Tensor& normed, const at::Tensor& ids, bool with_bias) const;
};

}  // namespace weir
