#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weir::rl {

/// Estimates of KL(pi || pi_ref) at sampled tokens, d = log pi - log pi_ref (Schulman 2020):
/// k1 = d, abs = |d|, k2 = d^2 / 2, k3 = e^-d + d - 1 (-d within +-20, k3 within +-10). Used as a
/// loss on policy, the expected gradient of k1 is 0, that of k2 the KL's, that of k3 not; k1+ and
/// k3+ have the value of k1 and k3 and the gradient of k2.
at::Tensor kl_estimate(const std::string& kind, const at::Tensor& log_prob,
                       const at::Tensor& ref_log_prob);
const std::vector<std::string>& kl_kinds();

/// 1 on the tokens whose entropy is within the upper `quantile` share of those that count
/// (2506.01939): 0.2 keeps a fifth.
at::Tensor top_entropy_mask(const at::Tensor& entropy, const at::Tensor& mask, double share);
/// [B, 1]: 0 for rows with a negative advantage whose tokens have become less probable by more than
/// `threshold` nats in the mean (DeepSeek-V3.2).
at::Tensor off_policy_mask(const at::Tensor& log_prob, const at::Tensor& old_log_prob,
                           const at::Tensor& advantage, const at::Tensor& mask, double threshold);

/// A critic's loss of tokens: max((v - R)^2, (clamp(v, v_old +- clip) - R)^2) / 2.
at::Tensor value_loss(const at::Tensor& value, const at::Tensor& old_value,
                      const at::Tensor& returns, double clip);

/// 0 up to most - cache tokens, then linearly down to -penalty at `most` (2503.14476).
double overlong_penalty(int64_t length, int64_t most, int64_t cache, double penalty = 1);
/// most_penalty (below 0) times the share of n-grams that are repetitions (2502.03373).
double repetition_penalty(const std::vector<int64_t>& tokens, int64_t n, double most_penalty);

}  // namespace weir::rl
