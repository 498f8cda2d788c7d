#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

/// Minimum description length of latents (Ayonrinde et al. 2410.11179, as SAEBench computes it):
/// how many bits a token's latents need when their values are rounded to bins. N tokens, F latents.
namespace weir {

/// How a latent's range [0, largest] is cut: into `n_bins` equal ones, or, where n_bins is 0, into
/// bins of `width`.
struct BinRule {
  int64_t n_bins = 16;
  double width = 0;
  /// float32 [bins + 1]: edges from 0.
  at::Tensor edges(double largest) const;
};

/// sum over latents of H(fires) + P(fires) H(bin of its value), bits. The second entropy is over
/// all N values, zeros included, as upstream counts them (a code for values that fire alone would
/// need less). `largest` [F]: the tops of the ranges.
double description_length(const at::Tensor& latents, const at::Tensor& largest,
                          const BinRule& rule);

/// Each value as the middle of its bin; zeros and what lies outside go to the nearest bin.
at::Tensor quantise(const at::Tensor& latents, const at::Tensor& largest, const BinRule& rule);

/// Upstream's error of a reconstruction: sqrt(mean (x_hat - x)^2) / D.
double scaled_rms(const at::Tensor& x_hat, const at::Tensor& x);

struct DescriptionLength {
  int64_t n_bins = 0;
  double bits = 0;
  double error = 0;  ///< scaled_rms of the quantised latents' reconstruction.
  bool within_threshold = false;
};
/// Index of the fewest bits among those within the threshold, or of all if none is. (Upstream's
/// pick_minimum_viable takes the index within the viable ones for one of the whole list.)
size_t shortest_description(const std::vector<DescriptionLength>& results);

}  // namespace weir
