#pragma once

#include <ATen/core/Tensor.h>

#include "weir/sae/training/step.h"

namespace weir {

/// What one forward of any kind leaves for the terms of the loss; [B, F] each. Undefined where a
/// kind has no such thing.
struct DenseLatents {
  at::Tensor pre;             ///< In the scale in which latents are chosen.
  at::Tensor latents;         ///< f, what is decoded.
  at::Tensor gate;            ///< ReLU(pi) of gated kinds.
  at::Tensor selected;        ///< bool: chosen, even with value 0.
  at::Tensor mu, log_var, z;  ///< Of variational kinds; sigma fixed: log_var is it.
  at::Tensor norms;           ///< ||W_dec[j]|| where latents are divided by it before decoding.
};

DenseLatents dense_latents(const Sae& sae, const SaeTrainingSettings& settings,
                           const SaeBatch& batch, double k);

bool is_variational(const Sae& sae);

/// The k highest of each row, as bool [B, F]; of the whole batch floor(k B).
at::Tensor highest_of_rows(const at::Tensor& score, int64_t k);
at::Tensor highest_of_batch(const at::Tensor& score, double k);

}  // namespace weir
