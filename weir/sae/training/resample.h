#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "weir/sae/kinds/sae.h"

/// New directions for dead latents: those of inputs that are reconstructed badly (Bricken et al.
/// 2023), as two released trainers have it.
namespace weir {

enum class ResampleRule {
  /// dictionary_learning: rows drawn by the norm of their error; the encoder gets the raw input.
  kDictionaryLearning,
  /// ckkissane/attention-output-saes: by the fourth power of that norm; the encoder gets the unit
  /// vector of x - b_dec.
  kAttentionSaes
};

/// The chance of each row of x [N, d] to be drawn, summing to 1.
at::Tensor resample_chances(const Sae& sae, const at::Tensor& x, ResampleRule rule);

/// Gives the latents `dead` (bool [F]) the directions of `rows` [number of dead, d], in place:
/// W_dec of norm 1, W_enc 0.2 times the mean norm of the living ones' (times the input, or times
/// its unit vector), b_enc 0.
void resample_latents(const Sae& sae, const at::Tensor& dead, const at::Tensor& rows,
                      ResampleRule rule);

/// Zeroes what an optimiser remembers of latents: `slot` is of the weight `name`.
void forget_latents(const std::string& name, const at::Tensor& slot, const at::Tensor& dead);

}  // namespace weir
