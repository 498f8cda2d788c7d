#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weir {

/// A change to one latent, at every token: what steering and ablation by features are.
struct LatentEdit {
  enum class Op {
    kScale,  ///< f_j = value f_j; 0 ablates it.
    kSet,    ///< f_j = value, also where it does not fire.
    kAdd,    ///< f_j = f_j + value
  };
  int64_t latent = 0;
  Op op = Op::kScale;
  double value = 0;
};

/// Latents [..., F] after the edits, one after the other; a new tensor, differentiable.
/// kInvalidArgument for a latent that does not exist.
at::Tensor edit_latents(const at::Tensor& latents, const std::vector<LatentEdit>& edits);

}  // namespace weir
