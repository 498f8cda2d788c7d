#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

namespace weir::rl {

/// What advantages are made of. B responses of up to T tokens; those of a group answer one prompt.
struct AdvantageInput {
  at::Tensor mask;           ///< [B, T]: 1 on response tokens.
  at::Tensor rewards;        ///< [B], or [B, F] of several reward functions; NaN: says nothing.
  at::Tensor group;          ///< int64 [B]; rows of a group need not be neighbours.
  at::Tensor token_rewards;  ///< [B, T]; undefined: the reward stands at each row's last token.
  at::Tensor values;         ///< [B, T] of a critic: gae
  at::Tensor greedy_reward;  ///< [B] of the greedy response: remax
};

/// Estimators (mu, sigma: mean and sample standard deviation of a group; a group of one has mu 0,
/// sigma 1). Broadcast over the response's tokens unless said otherwise.
///
///   grpo                (R - mu) / (sigma + eps)            2402.03300; std = "batch": the sigma
///   of
///                       all rewards, "none": R - mu (Dr.GRPO, 2503.20783)
///   normalize_then_sum  each function's z-score in its group, weighted sum, z-score of the batch
///   (GDPO) rloo                R - mean of the others; `whiten`: z-score of the batch 2402.14740
///   grpo_passk          the best response alone: (R_max - R_second) / (sigma + eps)
///   opo                 R - sum(len R) / sum(len) of the group
///   gpg                 alpha (R - mu), alpha = rows / rows whose reward is not 0
///   reinforce_pp        discounted returns, whitened over all tokens                2501.03262
///   reinforce_pp_baseline   R - mu, whitened over all tokens
///   remax               returns - R(greedy)                                         2310.10505
///   gae                 sum (gamma lambda)^k delta, whitened; PPO                   1506.02438
///
/// Rows whose rewards are all NaN have advantage 0 and are left out of every mean.
struct AdvantageOptions {
  std::string kind = "grpo";
  std::string std = "group";  ///< Of grpo and grpo_passk: "group", "batch", "none".
  double eps = 1e-6;          ///< verl 1e-6, TRL 1e-4.
  double gamma = 1, lambda = 1;
  std::vector<double> weights = {};  ///< Of the reward functions; none: 1 each.
  bool whiten = false;               ///< Of rloo.
  /// TRL's nanstd rounds n / (n - 1) to float32, 3e-8 of sigma: to agree with it to more digits.
  bool single_correction = false;
};

/// Keys are the members' names. kInvalidArgument for others.
AdvantageOptions advantage_options(const nlohmann::json& settings);
const std::vector<std::string>& advantage_kinds();

struct Advantages {
  at::Tensor advantages;  ///< [B, T], 0 outside the mask (gae: whatever stands there).
  at::Tensor returns;     ///< [B, T]: reinforce_pp, remax, gae; else undefined.
};
/// In float64. kInvalidArgument when what the estimator needs is missing, or every group has one
/// row where groups are compared.
Advantages advantages(const AdvantageInput& input, const AdvantageOptions& options);

/// The share of groups whose rewards are all alike: they teach nothing.
double share_without_variance(const at::Tensor& rewards, const at::Tensor& group);
/// Rows of groups with rewards that differ, in order (DAPO's dynamic sampling, 2503.14476).
std::vector<int64_t> rows_with_variance(const at::Tensor& rewards, const at::Tensor& group);

}  // namespace weir::rl
