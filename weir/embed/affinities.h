#pragma once

#include <ATen/core/Tensor.h>

#include "weir/embed/neighbours.h"

namespace weir {

/// p(j | i) over the neighbours j of i: proportional to exp(-beta_i d_ij^2), where beta_i
/// = 1/(2 sigma_i^2) gives each row the entropy log(perplexity), in nats.
struct ConditionalAffinities {
  at::Tensor p;     ///< float64 [n, k], rows sum to 1
  at::Tensor beta;  ///< float64 [n]
};

/// Solved to 1e-11 nats. Where more points than the perplexity are at the smallest distance, no
/// beta exists and they share the row. kInvalidArgument unless 1 < perplexity < k.
ConditionalAffinities conditional_affinities(const at::Tensor& distance, double perplexity);

/// A symmetric matrix of n x n, by rows; columns rise within a row.
struct SparseMatrix {
  at::Tensor offsets;  ///< int64 [n + 1]
  at::Tensor columns;  ///< int64 [m]
  at::Tensor values;   ///< float64 [m]
};

/// t-SNE's joint P = (P_cond + P_cond^T)/(2n), which sums to 1 (van der Maaten and Hinton 2008).
SparseMatrix joint_affinities(const Neighbours& graph, const at::Tensor& conditional);

}  // namespace weir
