#include "weir/rl/objective/advantages.h"

#include <cmath>
#include <functional>
#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/rl/objective/settings.h"

namespace weir::rl {
namespace {

using Numbers = std::vector<double>;

const double kNan = std::nan("");

Numbers numbers_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kCPU, at::kDouble).contiguous().flatten();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

at::Tensor tensor_of(const Numbers& numbers) { return at::tensor(numbers, at::kDouble); }

/// Mean and sample standard deviation of the numbers that are none of NaN.
struct Moments {
  int64_t n = 0;
  double mean = 0, std = 0;
};

Moments moments(const Numbers& of, bool single_correction) {
  Moments result;
  double sum = 0, squares = 0;
  for (const double x : of) {
    if (std::isnan(x)) continue;
    sum += x;
    ++result.n;
  }
  if (result.n == 0) return {0, kNan, kNan};
  result.mean = sum / static_cast<double>(result.n);
  for (const double x : of) {
    if (!std::isnan(x)) squares += (x - result.mean) * (x - result.mean);
  }
  if (result.n == 1) return {1, result.mean, kNan};
  const auto n = static_cast<double>(result.n);
  const double correction = n / (n - 1);
  result.std = std::sqrt(
      squares / n *
      (single_correction ? static_cast<double>(static_cast<float>(correction)) : correction));
  return result;
}

/// The rewards of one call, with their groups.
class Groups {
 public:
  Groups(const AdvantageInput& input, const AdvantageOptions& options)
      : options_(options), rows_(input.mask.size(0)) {
    require(input.rewards.defined() && input.rewards.size(0) == rows_,
            "advantages: expected rewards of {} rows", rows_);
    const at::Tensor table = input.rewards.dim() == 2 ? input.rewards : input.rewards.unsqueeze(1);
    for (int64_t f = 0; f < table.size(1); ++f)
      functions_.push_back(numbers_of(table.select(1, f)));
    weights_ = options.weights.empty() ? Numbers(functions_.size(), 1) : options.weights;
    require(weights_.size() == functions_.size(), "advantages: {} weights for {} reward functions",
            weights_.size(), functions_.size());
    const at::Tensor ids = input.group.to(at::kLong).contiguous();
    require(input.group.defined() && ids.numel() == rows_,
            "advantages: expected a group for each row");
    for (int64_t i = 0; i < rows_; ++i) members_[ids.data_ptr<int64_t>()[i]].push_back(i);
  }

  /// The weighted sum of what the functions say; NaN where none does.
  Numbers sums(const std::vector<Numbers>& functions) const {
    Numbers total(rows_, kNan);
    for (int64_t i = 0; i < rows_; ++i) {
      for (size_t f = 0; f < functions.size(); ++f) {
        if (std::isnan(functions[f][i])) continue;
        total[i] = (std::isnan(total[i]) ? 0 : total[i]) + weights_[f] * functions[f][i];
      }
    }
    return total;
  }
  Numbers rewards() const { return sums(functions_); }
  const std::vector<Numbers>& functions() const { return functions_; }
  const std::map<int64_t, std::vector<int64_t>>& members() const { return members_; }

  Moments moments_of(const Numbers& rewards, const std::vector<int64_t>& rows) const {
    Numbers picked;
    for (const int64_t i : rows) picked.push_back(rewards[i]);
    return moments(picked, options_.single_correction);
  }
  Moments moments_of(const Numbers& rewards) const {
    return moments(rewards, options_.single_correction);
  }

  /// change(row, moments of its group) for every row; a group of one is compared with 0 and 1.
  void each(const Numbers& rewards,
            const std::function<void(int64_t row, const Moments& group)>& change) const {
    for (const auto& [id, rows] : members_) {
      Moments of = moments_of(rewards, rows);
      // 1 + eps as verl holds it, in float32.
      const double one = static_cast<float>(1 + options_.eps);
      if (rows.size() == 1) of = {1, 0, one - options_.eps};
      for (const int64_t row : rows) change(row, of);
    }
  }
  void require_groups(const std::string& kind) const {
    require(static_cast<int64_t>(members_.size()) < rows_,
            "advantages {}: every group has one response; expected several of a prompt", kind);
  }

 private:
  const AdvantageOptions& options_;
  int64_t rows_;
  std::vector<Numbers> functions_;
  Numbers weights_;
  std::map<int64_t, std::vector<int64_t>> members_;
};

at::Tensor spread(const Numbers& rows, const at::Tensor& mask) {
  return at::nan_to_num(tensor_of(rows), 0.0).unsqueeze(1) * mask;
}

// Mean 0 and variance 1 over the tokens that count.
at::Tensor whitened(const at::Tensor& x, const at::Tensor& mask) {
  const at::Tensor n = mask.sum(), mean = (x * mask).sum() / n;
  const at::Tensor variance = ((x - mean).square() * mask).sum() / (n - 1);
  return (x - mean) * at::rsqrt(variance + 1e-8);
}

using Estimator = std::function<Advantages(const AdvantageInput&, const AdvantageOptions&)>;

Advantages grpo(const AdvantageInput& in, const AdvantageOptions& options) {
  const Groups groups(in, options);
  groups.require_groups("grpo");
  Numbers result = groups.rewards();
  const double batch_std = groups.moments_of(result).std;
  groups.each(groups.rewards(), [&](int64_t row, const Moments& of) {
    result[row] -= of.mean;
    if (options.std == "group") result[row] /= of.std + options.eps;
    if (options.std == "batch") result[row] /= batch_std + options.eps;
  });
  return {spread(result, in.mask), {}};
}

Advantages normalize_then_sum(const AdvantageInput& in, const AdvantageOptions& options) {
  const Groups groups(in, options);
  groups.require_groups("normalize_then_sum");
  std::vector<Numbers> scores = groups.functions();
  for (Numbers& function : scores) {
    const Numbers rewards = function;
    groups.each(rewards, [&](int64_t row, const Moments& of) {
      function[row] = (rewards[row] - of.mean) / (of.std + options.eps);
    });
  }
  Numbers total = groups.sums(scores);
  const Moments all = groups.moments_of(total);
  for (double& of : total) of = (of - all.mean) / (all.std + options.eps);
  return {spread(total, in.mask), {}};
}

Advantages rloo(const AdvantageInput& in, const AdvantageOptions& options) {
  const Groups groups(in, options);
  groups.require_groups("rloo");
  const Numbers rewards = groups.rewards();
  Numbers result = rewards;
  groups.each(rewards, [&](int64_t row, const Moments& of) {
    const auto n = static_cast<double>(of.n);
    if (of.n > 1) result[row] = n / (n - 1) * (rewards[row] - of.mean);
  });
  if (options.whiten) {
    const Moments all = groups.moments_of(result);
    for (double& of : result) of = (of - all.mean) / (all.std + options.eps);
  }
  return {spread(result, in.mask), {}};
}

Advantages grpo_passk(const AdvantageInput& in, const AdvantageOptions& options) {
  const Groups groups(in, options);
  const Numbers rewards = groups.rewards();
  Numbers result(rewards.size(), 0);
  for (const auto& [id, rows] : groups.members()) {
    require(rows.size() > 1, "advantages grpo_passk: expected at least two responses of a prompt");
    int64_t best = rows[0];
    for (const int64_t row : rows) {
      if (rewards[row] > rewards[best]) best = row;
    }
    double second = -INFINITY;
    for (const int64_t row : rows) {
      if (row != best) second = std::max(second, rewards[row]);
    }
    result[best] = rewards[best] - second;
    if (options.std != "none") result[best] /= groups.moments_of(rewards, rows).std + options.eps;
  }
  return {spread(result, in.mask), {}};
}

Advantages opo(const AdvantageInput& in, const AdvantageOptions& options) {
  const Groups groups(in, options);
  const Numbers rewards = groups.rewards(), lengths = numbers_of(in.mask.sum(1));
  Numbers result = rewards;
  for (const auto& [id, rows] : groups.members()) {
    if (rows.size() == 1) continue;
    double weighted = 0, total = 0;
    for (const int64_t row : rows) {
      if (std::isnan(rewards[row])) continue;
      weighted += lengths[row] * rewards[row];
      total += lengths[row];
    }
    for (const int64_t row : rows) result[row] -= weighted / total;
  }
  return {spread(result, in.mask), {}};
}

Advantages gpg(const AdvantageInput& in, const AdvantageOptions& options) {
  const Groups groups(in, options);
  const Numbers rewards = groups.rewards();
  double n_right = 0;
  for (const double of : rewards) n_right += of != 0 && !std::isnan(of) ? 1 : 0;
  const double alpha = static_cast<double>(rewards.size()) / std::max(n_right, 1.0);
  Numbers result = rewards;
  groups.each(rewards, [&](int64_t row, const Moments& of) {
    result[row] = alpha * (rewards[row] - of.mean);
  });
  return {spread(result, in.mask), {}};
}

Advantages reinforce_pp_baseline(const AdvantageInput& in, const AdvantageOptions& options) {
  const Groups groups(in, options);
  Numbers result = groups.rewards();
  groups.each(groups.rewards(), [&](int64_t row, const Moments& of) { result[row] -= of.mean; });
  return {whitened(spread(result, in.mask), in.mask) * in.mask, {}};
}

/// Rewards of tokens: given, or each row's reward at its last token.
at::Tensor token_rewards(const AdvantageInput& in, const AdvantageOptions& options) {
  if (in.token_rewards.defined()) return in.token_rewards.to(at::kDouble);
  const at::Tensor sums = at::nan_to_num(tensor_of(Groups(in, options).rewards()), 0.0);
  // The last place that counts: the largest of t * mask; rows without any get nothing.
  const at::Tensor places = at::arange(in.mask.size(1), at::kDouble);
  const at::Tensor last = ((places + 1) * in.mask).argmax(1, /*keepdim=*/true);
  return at::zeros_like(in.mask).scatter(1, last, sums.unsqueeze(1)) * in.mask;
}

Advantages reinforce_pp(const AdvantageInput& in, const AdvantageOptions& options) {
  const at::Tensor rewards = token_rewards(in, options);
  at::Tensor running = at::zeros({in.mask.size(0)}, at::kDouble);
  const at::Tensor returns = at::zeros_like(rewards);
  for (int64_t t = in.mask.size(1) - 1; t >= 0; --t) {
    const at::Tensor m = in.mask.select(1, t);
    const at::Tensor here = rewards.select(1, t) + options.gamma * running;
    returns.select(1, t).copy_(here);
    running = here * m + (1 - m) * running;  // Carried over what the model did not write.
  }
  return {whitened(returns, in.mask) * in.mask, returns};
}

Advantages remax(const AdvantageInput& in, const AdvantageOptions& options) {
  require(in.greedy_reward.defined(), "advantages remax: expected the greedy responses' rewards");
  const at::Tensor returns = (token_rewards(in, options) * in.mask).flip(1).cumsum(1).flip(1);
  return {returns - in.greedy_reward.to(at::kDouble).unsqueeze(1) * in.mask, returns};
}

Advantages gae(const AdvantageInput& in, const AdvantageOptions& options) {
  require(in.values.defined(), "advantages gae: expected a critic's values [B, T]");
  const at::Tensor rewards = token_rewards(in, options), values = in.values.to(at::kDouble);
  at::Tensor next = at::zeros({in.mask.size(0)}, at::kDouble), carried = next;
  const at::Tensor result = at::zeros_like(rewards);
  for (int64_t t = in.mask.size(1) - 1; t >= 0; --t) {
    const at::Tensor m = in.mask.select(1, t), value = values.select(1, t);
    const at::Tensor delta = rewards.select(1, t) + options.gamma * next - value;
    const at::Tensor here = delta + options.gamma * options.lambda * carried;
    next = value * m + (1 - m) * next;
    carried = here * m + (1 - m) * carried;
    result.select(1, t).copy_(carried);
  }
  return {whitened(result, in.mask), result + values};
}

const std::map<std::string, Estimator>& estimators() {
  static const std::map<std::string, Estimator> all = {
      {"gae", gae},
      {"gpg", gpg},
      {"grpo", grpo},
      {"grpo_passk", grpo_passk},
      {"normalize_then_sum", normalize_then_sum},
      {"opo", opo},
      {"reinforce_pp", reinforce_pp},
      {"reinforce_pp_baseline", reinforce_pp_baseline},
      {"remax", remax},
      {"rloo", rloo}};
  return all;
}

}  // namespace

const std::vector<std::string>& advantage_kinds() {
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> names;
    for (const auto& [name, estimator] : estimators()) names.push_back(name);
    return names;
  }();
  return kinds;
}

AdvantageOptions advantage_options(const nlohmann::json& of) {
  Settings settings(of, "advantage");
  AdvantageOptions options;
  options.kind = settings.choice("kind", options.kind, advantage_kinds());
  options.std = settings.choice("std", options.std, {"group", "batch", "none"});
  options.eps = settings.number("eps", options.eps, 0);
  options.gamma = settings.number("gamma", options.gamma, 0);
  options.lambda = settings.number("lambda", options.lambda, 0);
  options.weights = settings.numbers("weights");
  options.whiten = settings.flag("whiten", options.whiten);
  options.single_correction = settings.flag("single_correction", options.single_correction);
  settings.finish();
  return options;
}

Advantages advantages(const AdvantageInput& input, const AdvantageOptions& options) {
  const at::NoGradGuard no_grad;
  require(input.mask.defined() && input.mask.dim() == 2, "advantages: expected a mask [B, T]");
  AdvantageInput in = input;
  in.mask = input.mask.to(at::kCPU, at::kDouble);
  return estimators().at(options.kind)(in, options);
}

std::vector<int64_t> rows_with_variance(const at::Tensor& rewards, const at::Tensor& group) {
  const Numbers of = numbers_of(rewards);
  const at::Tensor ids = group.to(at::kLong).contiguous();
  std::map<int64_t, std::pair<double, double>> extremes;
  for (size_t i = 0; i < of.size(); ++i) {
    if (std::isnan(of[i])) continue;
    const auto at = extremes.emplace(ids.data_ptr<int64_t>()[i], std::pair{of[i], of[i]}).first;
    at->second = {std::min(at->second.first, of[i]), std::max(at->second.second, of[i])};
  }
  std::vector<int64_t> rows;
  for (size_t i = 0; i < of.size(); ++i) {
    const auto at = extremes.find(ids.data_ptr<int64_t>()[i]);
    const bool differs = at != extremes.end() && at->second.first < at->second.second;
    if (differs) rows.push_back(static_cast<int64_t>(i));
  }
  return rows;
}

double share_without_variance(const at::Tensor& rewards, const at::Tensor& group) {
  const at::Tensor ids = group.to(at::kLong).contiguous();
  std::map<int64_t, bool> varies;
  for (int64_t i = 0; i < ids.numel(); ++i) varies.emplace(ids.data_ptr<int64_t>()[i], false);
  for (const int64_t row : rows_with_variance(rewards, group)) {
    varies[ids.data_ptr<int64_t>()[row]] = true;
  }
  double constant = 0;
  for (const auto& [id, is_varied] : varies) constant += is_varied ? 0 : 1;
  return constant / std::max<double>(static_cast<double>(varies.size()), 1);
}

}  // namespace weir::rl
