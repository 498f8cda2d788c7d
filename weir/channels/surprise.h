#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/channels/composition.h"

/// How surprising a composition score is (docs/methods/channels.md).
namespace weir {

/// Of CS^2 when directions are random in n dimensions (n = d_model; d_model - 1 where a folded
/// LayerNorm leaves no mean): mean 1 / n, and with t = tr(G^2) / tr(G)^2 of what is turned,
///   one unit vector against a reader:   2 (t - 1/n) / (n (n + 2))
///   a whole writer, turned at random:   2 (t1 - 1/n) (t2 - 1/n) / ((n - 1) (n + 2))
struct CompositionNull {
  double mean = 0;
  at::Tensor component_variance;  ///< [L, H] by reader
  at::Tensor head_variance;       ///< [L, H, L, H]
  at::Tensor writer_t, reader_t;  ///< [L, H]
};
CompositionNull composition_null(const ModelComponents& components, CompositionType type,
                                 int64_t n_dimensions);

/// (CS^2 - mean) / standard deviation under the null; 0 where there is no path.
at::Tensor analytic_z_of_components(const at::Tensor& writer, const CompositionNull& null);
at::Tensor analytic_z_of_heads(const at::Tensor& head, const CompositionNull& null);

/// Real heads share directions, so each component is also compared with the others: among all
/// components of all earlier heads that the same head (or any head of the same layer) could read.
struct EmpiricalZ {
  at::Tensor mean, sd;  ///< [L, H], population; layer 0: 0 and 1
  at::Tensor z;         ///< [L, H, K, L, H]
};
EmpiricalZ empirical_z(const at::Tensor& writer);
EmpiricalZ empirical_z_within_layer(const at::Tensor& writer);  ///< mean and sd equal along H

/// Simulated mean and variance of CS^2 for one reader, with standard errors: `n_draws` random unit
/// vectors of n_dimensions against singular values [K]. Not more than the null says, but from
/// draws.
struct SimulatedNull {
  double mean, mean_se, variance, variance_se;
};
SimulatedNull simulate_component_null(const at::Tensor& reader_singular_values,
                                      int64_t n_dimensions, int64_t n_draws, uint64_t seed = 0);
/// The same for a whole writer turned at random (Haar), by its singular values.
SimulatedNull simulate_head_null(const at::Tensor& writer_singular_values,
                                 const at::Tensor& reader_singular_values, int64_t n_dimensions,
                                 int64_t n_draws, uint64_t seed = 0);

/// One-sided p-values of CS^2 >= what was seen: a gamma distribution with the null's mean and
/// variance (its tail is close where scores are far out; a normal's is much too thin).
at::Tensor null_p_values(const at::Tensor& squares, double mean, const at::Tensor& variance);

/// Benjamini and Hochberg 1995: which of the p-values [n] may be called found when a share `rate`
/// of the findings may be false. bool [n].
at::Tensor false_discovery(const at::Tensor& p_values, double rate);

}  // namespace weir
