#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

namespace weir::rl {

/// Log-probabilities of the sampled tokens, and what weighs them. All [B, T].
struct PolicyInput {
  at::Tensor log_prob;  ///< Of the policy that is trained, with gradients.
  at::Tensor old_log_prob, advantage, mask;
};

/// Losses of tokens, x = log pi - log pi_old, r = e^x, A the advantage:
///
///   clip      max(-A r, -A clamp(r, 1 - low, 1 + high)) (PPO, 1707.06347; high > low: DAPO);
///             `dual` c > 0: at most -A c where A < 0 (1912.09729); `delta` > 0: the first r is at
///             most delta (INTELLECT-2); level = "sequence": r = exp(mean of x over the row)
///   gspo      the same with the row's r, whose gradient goes straight through to each token;
///             log r at most 10 (2507.18071, verl)
///   cispo     -sg[clamp(r, 1 - low, 1 + high)] A log pi (2506.13585). TRL: low = 1, high its bound
///   - 1 sapo      -4/tau sigmoid(tau (r - 1)) A, tau = tau_pos where A > 0, else tau_neg
///   (2511.20347) gpg       -A log pi (2504.02546) geo_mean  of a row: -A exp(mean of x clamped to
///   [-low, high] towards A) (GMPO, 2507.20673) clip_cov  clip, without some tokens of large
///   covariance of advantage and log pi (2505.22617) kl_cov    -A r, and `kl_coef` |x| more on the
///   tokens of largest covariance vespo     -sg[w^k e^(lambda (1 - w))] A log pi, w the row's
///   product of r; k and lambda by the
///             sign of A
///
/// Rows' losses stand on every token of theirs; aggregate them by seq_mean_token_mean.
struct PolicyLossOptions {
  std::string kind = "clip";
  double low = 0.2, high = 0.2, dual = 0, delta = 0;
  std::string level = "token";
  double tau_pos = 1, tau_neg = 1.05;
  double cov_ratio = 2e-4, cov_low = 1, cov_high = 5, kl_coef = 1;
  double k_pos = 2, lambda_pos = 3, k_neg = 3, lambda_neg = 2;
  uint64_t seed = 0;  ///< Of the tokens that clip_cov draws.
};

/// Keys are the members' names. kInvalidArgument for others.
PolicyLossOptions policy_loss_options(const nlohmann::json& settings);
const std::vector<std::string>& policy_loss_kinds();

struct PolicyLoss {
  at::Tensor losses;  ///< [B, T], with gradients.
  /// Means over tokens: "clip_share", "dual_clip_share", "ratio_min", "ratio_max", "kl_old" (-x).
  std::map<std::string, double> stats;
};
PolicyLoss policy_loss(const PolicyInput& input, const PolicyLossOptions& options);

}  // namespace weir::rl
