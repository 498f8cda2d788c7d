#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/eval/prompt_ratio.h"

namespace weir {

/// How often latents fire: counts over batches of latents. A latent fires at a token where it is
/// not 0 (a negative one too: variational dictionaries keep signs). F latents.
class LatentCounts {
 public:
  explicit LatentCounts(int64_t n_latents);
  /// latents [B, T, F]; `mask` bool [B, T] keeps tokens (undefined: all).
  void add(const at::Tensor& latents, const at::Tensor& mask = {});

  int64_t n_tokens() const { return n_tokens_; }
  const at::Tensor& fired() const { return fired_; }      ///< int64 [F]: tokens it fired at.
  const at::Tensor& prompts() const { return prompts_; }  ///< int64 [F]: rows it fired in.
  at::Tensor density() const;                             ///< float64 [F]: fired over tokens.
  /// float64 [F]: firings per row that it fired in; NaN for a latent that never fires (upstream's
  /// consistent_activation_heuristic).
  at::Tensor firings_per_prompt() const;
  double l0() const;      ///< Latents at a token, mean.
  double l1() const;      ///< Their signed sum, mean (SAEBench, SAELens).
  double l1_abs() const;  ///< The sum of magnitudes.
  PromptRatio l0_by_prompt() const { return l0_by_prompt_; }

  /// Share of latents whose density is at least `times` of the mean density L0 / F, so times 1 is
  /// what every latent would have if all did the same work. Liveness depends on the number of
  /// tokens: compare at equal n_tokens, at two thresholds (.1 and .5 of L0 / F).
  double share_alive(double times) const;
  /// Share of latents of density above `least`; 0: that fired at all (upstream's frac_alive).
  double share_above(double least) const;
  /// Of all firings, the share by latents of density above `least`.
  double firings_above(double least) const;

 private:
  at::Tensor fired_, prompts_;
  int64_t n_tokens_ = 0;
  double sum_ = 0, magnitude_ = 0;
  PromptRatio l0_by_prompt_;
};

}  // namespace weir
