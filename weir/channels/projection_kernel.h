#pragma once

#include <ATen/core/Tensor.h>

#include "weir/channels/composition.h"

namespace weir {

/// Cosines of the principal angles between the columns of A [.., D, p] and B [.., D, q], falling:
/// [.., min(p, q)]. Directions that a rank-deficient factor lacks are left out of its subspace
/// (cosine 0).
at::Tensor principal_cosines(const at::Tensor& A, const at::Tensor& B);

/// Overlap of what heads write with what heads read whatever the singular values: sum of squared
/// principal cosines of W_O's rows and the columns of W_Q, W_K or W_V (Yamagiwa et al. 2026,
/// 2601.10266). Random subspaces: K^2 / D. [L, H, L, H], 0 without a path.
at::Tensor projection_kernel(const HeadSource& source, CompositionType type);
/// K^2 / D
double random_projection_kernel(const HeadSource& source);

}  // namespace weir
