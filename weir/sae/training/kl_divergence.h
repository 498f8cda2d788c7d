#pragma once

#include <ATen/core/Tensor.h>

#include "weir/sae/training/settings.h"

/// KL(q || p) of a posterior q = N(mu, exp(log_var)), latent by latent, against priors p(z).
/// Differentiable. `log_var` undefined: variance 1, and of the normal prior mu^2 / 2 alone.
namespace weir {

/// What priors other than the normal one are told.
struct PriorParameters {
  double scale = 1;         ///< s of N(0, s^2), b of Laplace, rate of the exponential
  at::Tensor spike_logits;  ///< Spike and slab [F]: sigmoid is the share of N(0, .01^2).
  at::Tensor means;         ///< Mixture: N(means, scale^2), [F]
  at::Tensor precision;     ///< Correlated: N(0, precision^-1), [F, F]
};

/// mu, log_var [B, F] -> [B, F]; of the correlated prior [B, 1]. Bounds of the settings are applied
/// to both first. Closed forms for normal, mixture and correlated priors; Laplace by E|z| ~
/// (sigma^2 + mu^2) / (2 b), the exponential's density below 0 by 2 |mu|, both as released (the
/// first is an upper bound, see `laplace_kl` for the exact one).
at::Tensor kl_divergence(const at::Tensor& mu, const at::Tensor& log_var,
                         const KlSettings& settings, const PriorParameters& prior = {});

/// Exact KL(N(mu, sigma^2) || Laplace(0, b)): E|z| = sigma sqrt(2/pi) exp(-mu^2 / 2 sigma^2) +
/// mu erf(mu / sigma sqrt 2).
at::Tensor laplace_kl(const at::Tensor& mu, const at::Tensor& log_var, double b);

/// The coefficient's factor at a step: 1; step / warmup up to 1; or that again in each cycle.
double kl_factor(const KlSettings& settings, int64_t step);

/// Of two choices of latents, bool [B, F]: mean over rows of |A and B| / |A or B|.
double selection_jaccard(const at::Tensor& a, const at::Tensor& b);

}  // namespace weir
