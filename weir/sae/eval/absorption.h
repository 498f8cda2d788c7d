#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// Feature absorption (Chanin et al. 2409.14507, with SAEBench's absorption fraction): a latent
/// that stands for "begins with S" and is silent on "snake", because another latent that fires on
/// snakes carries that direction too.
namespace weir {

struct AbsorptionOptions {
  double full_cosine = 0.025;    ///< Least cosine of the absorber with the probe: full absorption.
  double fraction_cosine = 0.1;  ///< The same for the fraction.
  double proportion = 0.4;       ///< Least share of the probe's projection that absorbers carry.
  int64_t max_absorbers = 3;     ///< Latents that may share it (fraction).
  double silent = 1e-8;          ///< Below it a main latent does not fire.
};

struct WordAbsorption {
  double projection = 0;  ///< Of the activation on the unit probe direction.
  double fraction = 0;    ///< Of the projection, what absorbers carry instead of main latents.
  bool is_full = false;   ///< All main latents silent, one absorber in their place.
};
/// Of words whose activations x [N, D] (what the dictionary reads) have latents [N, F]; `probe`
/// [D], of any length; W_dec [F, D]; `main`: the latents that stand for the concept. A latent's
/// projection is its value times the cosine of its decoder row, as upstream has it (of unit rows
/// this is the projection of its part).
std::vector<WordAbsorption> absorption(const at::Tensor& x, const at::Tensor& latents,
                                       const at::Tensor& W_dec, const at::Tensor& probe,
                                       const std::vector<int64_t>& main,
                                       const AbsorptionOptions& options = {});

/// How many latents a concept is split over: F1 of probes of 1, 2, ... latents; another one counts
/// while it adds more than `jump`. At least 1. (Upstream's table num_split_features is one less.)
int64_t split_latents(const std::vector<double>& f1_by_k, double jump = 0.03);

/// Of one letter, over the words that its probe finds rightly.
struct LetterAbsorption {
  std::string letter;
  double sum_of_fractions = 0;
  int64_t n_full = 0, n_true_positives = 0, n_split = 0;
  double mean_fraction() const { return sum_of_fractions / static_cast<double>(n_true_positives); }
  double full_rate() const {
    return static_cast<double>(n_full) / static_cast<double>(n_true_positives);
  }
};

}  // namespace weir
