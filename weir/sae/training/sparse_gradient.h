#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/training/sparse_choice.h"

namespace weir {

/// Entries (row, latent) whose outer products make a weight's gradient.
template <class T>
struct GradientPart {
  const SparseChoice<T>* where = nullptr;
  const T* factors = nullptr;  ///< One for each entry.
  const T* rows = nullptr;     ///< [B, d]; of a latent in level h: rows + h * level_stride.
  int64_t level_stride = 0;
};

/// sum over parts and their entries of factor * rows[row] for each latent: [F, d], every number
/// written. Each latent's sum runs over its entries in the order of rows, whatever the threads.
/// `level` [F] or empty: the level of each latent.
template <class T>
at::Tensor sum_by_latent(const std::vector<GradientPart<T>>& parts, int64_t n_latents, int64_t d,
                         const std::vector<int32_t>& level, const at::TensorOptions& options);

}  // namespace weir
