#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

/// SCR and TPP (SHIFT, Marks et al. 2403.19647; SAEBench 2503.09532): does setting the latents of a
/// concept to 0 remove that concept, and it alone, from what a probe sees? Both fail the checks of
/// reseed noise and of correlation with known truth (Chanin 2605.18229): for parity with tables
/// that have them, not to rank dictionaries. B texts, T tokens, D coordinates, F latents.
namespace weir {

/// Rows of zeros are masked tokens: mean over the others. [B, T, D] -> [B, D].
at::Tensor pool_tokens(const at::Tensor& x);

/// Effect of each latent on a probe's logit, float64 [F]: (mean latent over class 1 - over class 0)
/// times probe . W_dec, of latents pooled over tokens [B, F]. SCR takes the magnitude; TPP sets
/// negative differences of means to 0 (its effects may be negative).
enum class EffectKind { kScr, kTpp };
at::Tensor latent_effects(const at::Tensor& positive, const at::Tensor& negative,
                          const at::Tensor& probe_weight, const at::Tensor& W_dec, EffectKind kind);
/// bool [F]: the n largest effects; fewer where fewer are not 0.
at::Tensor largest_effects(const at::Tensor& effects, int64_t n);

/// How many rows of each other class make up the negatives of one class against the rest.
int64_t negatives_per_class(int64_t n_positive, int64_t n_classes);

/// One direction of SCR: a probe that was trained on two concepts at once, tested on one of them
/// after the other one's latents are removed. clean: the accuracy of a probe of that one concept;
/// biased: before removal; ablated: after it. 0 where clean - biased < .001.
double scr_score(double clean, double biased, double ablated);
/// Which direction upstream's scr_metric takes: the one whose biased accuracy is lower; 0: neither.
int scr_metric_direction(double biased_1, double biased_2);

/// Accuracies by class: of each class's probe, untouched, and with one class's latents removed.
struct TppScore {
  double intended = 0;    ///< Drop of the class's own probe.
  double unintended = 0;  ///< Mean drop of the other probes.
  double total() const { return intended - unintended; }
};
TppScore tpp_score(const std::map<std::string, double>& clean,
                   const std::map<std::string, double>& ablated, const std::string& ablated_class);

}  // namespace weir
