#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace weir {

/// Principal components of the rows of a matrix, all in float64; variances are sums of squares over
/// n - 1.
struct Pca {
  at::Tensor mean;            ///< [d]
  at::Tensor components;      ///< [k, d], orthonormal rows, largest variance first
  at::Tensor variance;        ///< [k]
  at::Tensor variance_share;  ///< [k], of the variance of all d
  at::Tensor projected;       ///< [n, k], the rows' coordinates
};

/// The first k components of x [n, d]. The sign of a component is free: here its entry of largest
/// size is positive. From the eigenvectors of the smaller of X^T X and X X^T, so a variance below
/// 1e-14 of the largest is noise. kInvalidArgument unless 1 <= k <= min(n, d) and n >= 2.
Pca principal_components(const at::Tensor& x, int64_t k);

}  // namespace weir
