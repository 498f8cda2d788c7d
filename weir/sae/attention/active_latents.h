#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/kinds/sae.h"

namespace weir {

/// What a dictionary makes of the T positions of one prompt, as a linear map once the set of
/// latents that fire is held fixed: for latent j that fires at t,
///
///   f_j(t) = encoder_j . x(t) + bias_j,   y(t) = sum_j f_j(t) decoder_j + decoder_bias
///                                                 (+ skip x(t)) + error(t)
///
/// in the model's own units: scale, b_dec of the input and norms of the decoder are inside. Only
/// the rows of latents that fire somewhere are held. All float64. d = d_in, D = d_out.
struct ActiveLatents {
  std::vector<int64_t> features;  ///< [n]: which latents fire somewhere, ascending
  at::Tensor places;              ///< int64 [T, K]: rows of the tensors below; 0 where f is 0
  at::Tensor values;              ///< [T, K]: f; 0 where fewer than K fire
  at::Tensor encoder;             ///< [n, d]
  at::Tensor bias;                ///< [n]: b_enc - b_dec W_enc
  at::Tensor decoder;             ///< [n, D]
  at::Tensor decoder_bias;        ///< [D]
  at::Tensor skip;                ///< [D, d], or undefined
  at::Tensor error;               ///< [T, D]: y minus the reconstruction

  /// The row of a feature; -1 when it fires nowhere.
  int64_t row_of(int64_t feature) const;
  /// f at position t of row `row`; 0 when it does not fire there.
  double value(int64_t t, int64_t row) const;
};

/// `x` [T, d] is what the dictionary reads, `y` [T, D] what it stands for (x itself, or what a
/// transcoder's MLP wrote). kUnsupported for a dictionary whose latents are no linear reading of x
/// where they fire: per-token normalisation, matching pursuit.
ActiveLatents active_latents(const Sae& sae, const at::Tensor& x, const at::Tensor& y);

/// The encoder's linear part for these latents: rows [n, d] and constants [n], so that
/// pre = rows . x + constant.
struct LinearEncoder {
  at::Tensor rows, constant;
};
LinearEncoder linear_encoder(const Sae& sae, const std::vector<int64_t>& features);

}  // namespace weir
