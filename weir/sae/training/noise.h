#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace weir {

/// A standard normal number that depends on (seed, row, latent) alone: sampling of few latents
/// draws the same noise as sampling of all.
double normal_at(uint64_t seed, int64_t row, int64_t latent);

/// All of them as [n_rows, n_latents].
at::Tensor normal_table(uint64_t seed, int64_t n_rows, int64_t n_latents,
                        const at::TensorOptions& options);

/// The seed of a step.
uint64_t step_seed(uint64_t seed, int64_t step);

}  // namespace weir
