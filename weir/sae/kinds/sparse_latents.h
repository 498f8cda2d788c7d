#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace weir {

/// Latents that fire. A place whose value is 0 does not count (a token with fewer than K); the
/// indices of one token are distinct, in no order.
struct SparseLatents {
  at::Tensor indices;  ///< int64 [..., K]
  at::Tensor values;   ///< [..., K]
};

/// [..., F] with zeros elsewhere.
at::Tensor to_dense(const SparseLatents& latents, int64_t d_sae);
/// The non-zero entries of [..., F]; K is that of the fullest row, at least 1.
SparseLatents to_sparse(const at::Tensor& latents);

/// sum_k values[.., k] rows[indices[.., k]] [..., d] for rows [F, d]: k rows are read a token.
/// Differentiable in values and rows.
at::Tensor weighted_rows(const SparseLatents& latents, const at::Tensor& rows);

}  // namespace weir
