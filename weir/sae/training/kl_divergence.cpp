#include "weir/sae/training/kl_divergence.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr double kSpike = 0.01;  // Standard deviation of the spike
constexpr double kExponentialMeanMax = 15;

at::Tensor within(const at::Tensor& x, double least, double most) {
  return x.defined() ? x.clamp(least, most) : x;
}

// KL(N(mu, v) || N(mean, s^2))
at::Tensor normal_kl(const at::Tensor& mu, const at::Tensor& log_var, const at::Tensor& variance,
                     double s) {
  const double log_s2 = 2 * std::log(s);
  if (!log_var.defined()) return 0.5 * ((mu * mu + 1) / (s * s) - 1 + log_s2);
  return 0.5 * ((mu * mu + variance) / (s * s) - 1 - log_var + log_s2);
}

at::Tensor log_var_or_zero(const at::Tensor& mu, const at::Tensor& log_var) {
  return log_var.defined() ? log_var : at::zeros_like(mu);
}

}  // namespace

at::Tensor laplace_kl(const at::Tensor& mu, const at::Tensor& log_var, double b) {
  const at::Tensor sigma = (0.5 * log_var).exp();
  const at::Tensor size = sigma * std::sqrt(2 / M_PI) * (-0.5 * (mu / sigma).square()).exp() +
                          mu * at::erf(mu / (sigma * std::sqrt(2.0)));
  return size / b + std::log(2 * b) - 0.5 * log_var - 0.5 * std::log(2 * M_PI) - 0.5;
}

at::Tensor kl_divergence(const at::Tensor& mean, const at::Tensor& log_variance,
                         const KlSettings& settings, const PriorParameters& prior) {
  const bool is_bounded = settings.mean_max > 0;
  const at::Tensor mu = is_bounded ? within(mean, -settings.mean_max, settings.mean_max) : mean;
  const at::Tensor log_var = within(log_variance, settings.log_var_min, settings.log_var_max);
  switch (settings.prior) {
    case KlPrior::kNormal: {
      at::Tensor variance;
      if (log_var.defined()) {
        const double least = std::max(settings.log_var_min, settings.variance_log_min);
        variance = within(log_variance, least, settings.log_var_max).exp();
      }
      if (!log_var.defined() && prior.scale == 1) return 0.5 * mu * mu;
      return normal_kl(mu, log_var, variance, prior.scale);
    }
    case KlPrior::kLaplace: {
      const at::Tensor l = log_var_or_zero(mu, log_var);
      const double b = prior.scale;
      return (l.exp() + mu * mu) / (2 * b * b) + std::log(2 * b) - 0.5 * l - 0.5;
    }
    case KlPrior::kExponential: {
      const at::Tensor m = within(mean, -kExponentialMeanMax, kExponentialMeanMax);
      const at::Tensor l = log_var_or_zero(m, log_var);
      const double rate = prior.scale;
      const at::Tensor kl =
          rate * (m + 0.5 * l.exp()) - std::log(rate) - 0.5 * l - 0.5 + 2 * (-m).clamp_min(0);
      return kl.clamp_min(0);
    }
    case KlPrior::kSpikeSlab: {
      const at::Tensor l = log_var_or_zero(mean, log_var), variance = l.exp();
      const at::Tensor share = prior.spike_logits.sigmoid(), rest = 1 - share;
      const at::Tensor entropy = -(share * (share + 1e-8).log() + rest * (rest + 1e-8).log());
      return share * normal_kl(mean, l, variance, kSpike) + rest * normal_kl(mean, l, variance, 1) -
             0.1 * entropy;
    }
    case KlPrior::kMixture: {
      const at::Tensor l = log_var_or_zero(mu, log_var);
      return normal_kl(mu - prior.means, l, l.exp(), prior.scale);
    }
    case KlPrior::kCorrelated: {
      const at::Tensor l = log_var_or_zero(mu, log_var);
      const at::Tensor& precision = prior.precision;
      const at::Tensor trace = (l.exp() * precision.diagonal()).sum(-1);
      const at::Tensor square = (mu.matmul(precision) * mu).sum(-1);
      const at::Tensor log_det = at::logdet(precision);
      const auto n = static_cast<double>(mu.size(-1));
      return (0.5 * (trace + square - n - l.sum(-1) - log_det)).unsqueeze(-1);
    }
  }
  fail(ErrorCode::kInternal, "kl divergence: no such prior");
}

double kl_factor(const KlSettings& settings, int64_t step) {
  if (settings.warmup <= 0 || settings.schedule == KlSettings::Schedule::kConstant) return 1;
  const auto at = static_cast<double>(step), length = static_cast<double>(settings.warmup);
  if (settings.schedule == KlSettings::Schedule::kLinear) return std::min(1.0, at / length);
  return std::min(1.0, 2 * std::fmod(at, length) / length);
}

double selection_jaccard(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor both = a.logical_and(b).sum(-1).to(at::kDouble);
  const at::Tensor any = a.logical_or(b).sum(-1).to(at::kDouble).clamp_min(1);
  return (both / any).mean().item<double>();
}

}  // namespace weir
