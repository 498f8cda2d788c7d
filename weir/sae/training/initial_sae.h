#pragma once

#include <cstdint>

#include "weir/sae/kinds/sae.h"

namespace weir {

struct InitialSaeOptions {
  double decoder_norm = 1;    ///< Of each row of W_dec: a random direction.
  double encoder_factor = 1;  ///< W_enc is W_dec transposed times it.
  double threshold = 0.01;    ///< Of JumpReLU kinds.
  double log_var = -2;        ///< b_var, where a variance is learned; W_var is 0.
  uint64_t seed = 0;
};

/// A dictionary to start training from: rows of W_dec of random directions (Gaussian), W_enc their
/// transpose, biases 0. float32.
Sae initial_sae(const SaeConfig& config, const InitialSaeOptions& options);

}  // namespace weir
