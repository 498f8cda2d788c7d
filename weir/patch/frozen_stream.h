#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

namespace weir {

/// What a clean run computes, at END alone (T' = 1) or everywhere, by layer: [L] of [B, T', D].
struct CleanRun {
  std::vector<at::Tensor> resid_pre, attn_out, mlp_out;
  at::Tensor resid_post;             ///< [B, T', D] leaving the last block
  std::vector<at::Tensor> raw_attn;  ///< Before a norm on what attention writes
  std::vector<at::Tensor> z;         ///< [B, T', H, K]
};

/// Streams of many experiments that rise together through blocks whose attention output is given:
/// each layer is one product for all of them.
class FrozenStream {
 public:
  FrozenStream(const LanguageModel& lm, const CleanRun& clean, bool freeze_mlps)
      : lm_(lm), clean_(clean), freeze_mlps_(freeze_mlps) {}

  /// Experiments so far, by number of rows [S, B, T', D], in the order in which they came.
  const at::Tensor& streams() const { return streams_; }
  int64_t n_experiments() const { return streams_.defined() ? streams_.size(0) : 0; }

  /// Takes the experiments through `layer` (they enter it as they are), and adds those that begin
  /// there: `attn_out` [S', B, T', D] in place of the layer's own, and `mlp_out` [B, T', D].
  void pass(int64_t layer, const at::Tensor& attn_out, const at::Tensor& mlp_out);
  /// What the MLP of `layer` reads when the experiments enter the layer, and those with `attn_out`.
  at::Tensor mlp_inputs(int64_t layer, const at::Tensor& attn_out) const;

 private:
  at::Tensor through(int64_t layer, const at::Tensor& entering, const at::Tensor& attn_out) const;

  const LanguageModel& lm_;
  const CleanRun& clean_;
  bool freeze_mlps_;
  at::Tensor streams_;
};

}  // namespace weir
