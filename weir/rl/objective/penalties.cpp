#include "weir/rl/objective/penalties.h"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include "weir/base/error.h"
#include "weir/rl/objective/aggregation.h"

namespace weir::rl {

const std::vector<std::string>& kl_kinds() {
  static const std::vector<std::string> kinds = {"k1", "abs", "k2", "k3", "k1+", "k3+"};
  return kinds;
}

at::Tensor kl_estimate(const std::string& kind, const at::Tensor& log_prob,
                       const at::Tensor& ref_log_prob) {
  const at::Tensor d = log_prob - ref_log_prob;
  if (kind == "k1") return d;
  if (kind == "abs") return d.abs();
  if (kind == "k2") return d.square() / 2;
  if (kind == "k3") {
    const at::Tensor back = (-d).clamp(-20, 20);
    return (back.exp() - back - 1).clamp(-10, 10);
  }
  require(kind == "k1+" || kind == "k3+", "KL: expected {}, got '{}'", fmt::join(kl_kinds(), ", "),
          kind);
  const at::Tensor through = d.square() / 2;
  return kl_estimate(kind.substr(0, 2), log_prob, ref_log_prob).detach() + through -
         through.detach();
}

at::Tensor top_entropy_mask(const at::Tensor& entropy, const at::Tensor& mask, double share) {
  const at::Tensor counted = entropy.detach().masked_select(mask.gt(0));
  if (counted.numel() == 0) return mask;
  return entropy.ge(at::quantile(counted, 1 - share)).to(mask.scalar_type()) * mask;
}

at::Tensor off_policy_mask(const at::Tensor& log_prob, const at::Tensor& old_log_prob,
                           const at::Tensor& advantage, const at::Tensor& mask, double threshold) {
  const at::Tensor fall =
      ((old_log_prob - log_prob.detach()) * mask).sum(1, true) / mask.sum(1, true).clamp_min(1);
  const at::Tensor is_off =
      advantage.select(1, 0).unsqueeze(1).lt(0).logical_and(fall.gt(threshold));
  return is_off.logical_not().to(mask.scalar_type());
}

at::Tensor value_loss(const at::Tensor& value, const at::Tensor& old_value,
                      const at::Tensor& returns, double clip) {
  const at::Tensor near = at::max(at::min(value, old_value + clip), old_value - clip);
  return at::max((value - returns).square(), (near - returns).square()) / 2;
}

double overlong_penalty(int64_t length, int64_t most, int64_t cache, double penalty) {
  require(cache > 0 && cache <= most, "overlong: expected a cache from 1 to {}, got {}", most,
          cache);
  const auto over = static_cast<double>(length - (most - cache));
  return -penalty * std::clamp(over / static_cast<double>(cache), 0.0, 1.0);
}

double repetition_penalty(const std::vector<int64_t>& tokens, int64_t n, double most_penalty) {
  require(n > 0 && most_penalty <= 0, "repetition: expected n above 0 and a penalty of 0 or less");
  const auto length = static_cast<int64_t>(tokens.size());
  if (length < n) return 0;
  std::set<std::vector<int64_t>> distinct;
  for (int64_t i = 0; i + n <= length; ++i) {
    distinct.emplace(tokens.begin() + i, tokens.begin() + i + n);
  }
  const auto total = static_cast<double>(length - n + 1);
  return most_penalty * (1 - static_cast<double>(distinct.size()) / total);
}

}  // namespace weir::rl
