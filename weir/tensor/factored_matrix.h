#pragma once

#include <ATen/core/Tensor.h>

namespace weir {

/// U diag(S) Vh, singular values in falling order.
struct Svd {
  at::Tensor U;   ///< [.., d, k]
  at::Tensor S;   ///< [.., k]
  at::Tensor Vh;  ///< [.., k, e]
};

/// A matrix [.., d, e] of low rank as its two factors, which is what a head computes: W_V W_O and
/// W_Q W_K^T have rank d_head and d_model rows (TransformerLens's FactoredMatrix). Apart from
/// `product` nothing as large as [d, e] is ever made: everything goes through k x k matrices.
struct FactoredMatrix {
  at::Tensor left;   ///< [.., d, k]
  at::Tensor right;  ///< [.., k, e]

  /// left right, [.., d, e].
  at::Tensor product() const;
  /// Frobenius norm [..], from the Gram matrices: sqrt(sum(left^T left * right right^T)), summed in
  /// float64. Gradients flow.
  at::Tensor norm() const;
  /// Singular value decomposition through the QR factors of both sides, in float64, returned in the
  /// factors' dtype; min(d, k, e) singular values. kInvalidArgument for factors that do not fit.
  Svd svd() const;
};

}  // namespace weir
