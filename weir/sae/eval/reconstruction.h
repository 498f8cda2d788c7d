#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/eval/prompt_ratio.h"

/// How well reconstructions x_hat stand in for activations x: sums over batches in float64.
/// Letters: N tokens, D coordinates, e = x - x_hat, x_bar the mean of x over all N.
namespace weir {

/// Where projects compute the same name differently, each form stands here under its own
/// (docs/methods/sae-evaluation.md).
struct ReconstructionScores {
  int64_t n_tokens = 0;
  double ev_total = 0;   ///< 1 - sum |e|^2 / sum |x - x_bar|^2. The one to quote (SAELens 6.45 on).
  double ev_legacy = 0;  ///< Mean over tokens of 1 - |e|^2 / |x - mean of its batch|^2.
  double ev_saebench = 0;  ///< 1 - R / (S - (S/D)^2), R and S means over batches of |e|^2, |x|^2.
  double ev_centred =
      0;  ///< 1 - var(e) / var(x): the residual's mean is free (dictionary_learning).
  double ev_uncentred = 0;  ///< 1 - sum |e|^2 / sum |x|^2
  double mse_sum = 0;       ///< Mean over tokens of |e|^2 (SAELens).
  double mse_mean = 0;      ///< The same over D.
  double mse_saebench = 0;  ///< Mean over tokens of |e|^2 over the tokens of its batch.
  double cossim = 0;        ///< Mean over tokens of cos(x, x_hat).
  double l2_norm_in = 0, l2_norm_out = 0;
  double l2_ratio = 0;                      ///< Mean over tokens of |x_hat| / |x|.
  double relative_reconstruction_bias = 0;  ///< Mean over batches of E|x_hat|^2 / E[x . x_hat].
  double relative_bias_total = 0;           ///< The same ratio over all tokens.
};

class ReconstructionSums {
 public:
  /// One batch: x and x_hat [B, T, D]; `mask` bool [B, T] keeps tokens (undefined: all). A row of B
  /// is a prompt, what intervals draw.
  void add(const at::Tensor& x, const at::Tensor& x_hat, const at::Tensor& mask = {});
  ReconstructionScores scores() const;
  /// "ev_total", "mse_sum", "cossim", "l2_ratio" by prompt.
  std::map<std::string, PromptRatio> by_prompt() const;
  /// [D], float64: x_bar.
  at::Tensor mean() const;

 private:
  at::Tensor squares_about_mean() const;  ///< [prompts]
  at::Tensor column(const std::vector<at::Tensor>& parts) const;

  // One entry a batch: sums by prompt [B], about the first batch's mean where they are centred.
  std::vector<at::Tensor> n_, residual_, square_, cosine_, ratio_, norm_in_, norm_out_, legacy_;
  std::vector<at::Tensor> shifted_square_,
      shifted_sum_;       ///< sum |x - shift|^2 and sum (x - shift) [B, D]
  at::Tensor shift_;      ///< [D]
  at::Tensor error_sum_;  ///< [D]
  double out_square_ = 0, dot_ = 0;
  std::vector<double> batch_residual_, batch_square_, batch_bias_, batch_mse_;
};

}  // namespace weir
