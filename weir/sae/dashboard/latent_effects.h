#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "weir/lm/language_model.h"
#include "weir/sae/kinds/sae.h"

/// What latents' directions do, without any text: to the logits, and beside each other.
namespace weir {

struct LatentEffects {
  int64_t latent = 0;
  /// Tokens whose logits the direction raises and lowers most, by its weight on them: the direction
  /// through the linear part of the final norm and the unembedding, the mean over the vocabulary
  /// taken off. Empty where the hook's activations are not written to the residual stream.
  std::vector<std::pair<int64_t, double>> promoted, suppressed;
  std::vector<double> bin_edges, bin_counts;  ///< Of these weights over the vocabulary.
  double skewness = 0, kurtosis = 0;  ///< Of the same (kurtosis of a Gaussian: 3); NaN: none.
  double token_cosine = 0;            ///< Largest cosine with a token's (normed) unembedding.
  std::vector<std::pair<int64_t, double>> nearest;  ///< Latents by the cosine of decoder rows.
  std::vector<std::pair<int64_t, double>> neurons;  ///< Largest entries of the decoder row.
  double decoder_norm = 0, neuron_l1 = 0;           ///< sum |entries|
};

struct EffectOptions {
  int64_t n_tokens = 10, n_nearest = 8, n_neurons = 3, n_bins = 40;
};

/// Computes them for ranges of latents; the neighbours of all latents are found at once, before.
class EffectFinder {
 public:
  EffectFinder(const LanguageModel& lm, const Sae& sae, const EffectOptions& options = {});
  /// Memory: the vocabulary for each latent.
  std::vector<LatentEffects> find(int64_t first, int64_t n) const;
  bool has_logits() const { return directions_.defined(); }

 private:
  LatentEffects effects_of(int64_t latent, const at::Tensor& logits, double direction_norm) const;
  void add_logits(const at::Tensor& weights, double direction_norm, LatentEffects* effects) const;

  const LanguageModel& lm_;
  EffectOptions options_;
  at::Tensor decoder_;      ///< float32 [F, d]
  at::Tensor directions_;   ///< float32 [F, D]: what W_U reads; undefined where there is no way.
  at::Tensor token_norms_;  ///< float32 [V]: of W_U's columns, their mean taken off.
  at::Tensor nearest_, cosines_;  ///< [F, n_nearest]
};

}  // namespace weir
