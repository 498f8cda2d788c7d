#pragma once

#include "weir/model/config.h"
#include "weir/model/weights.h"

namespace weir {

/// The least that forward and backward need for a token of rows of `length`, each token seeing half
/// of them: three times 2 for each weight of a matrix (the unembedding too, look-ups not) and each
/// score and mix of attention. Checkpoints and optimisers are not counted.
double training_flops_per_token(const Weights& weights, const ModelConfig& config, int64_t length);

/// FLOP/s that float32 products of 1024 x 1024 matrices reach here and now, on the threads that are
/// set: what a training is compared with. Takes about a tenth of a second.
double product_speed();

}  // namespace weir
