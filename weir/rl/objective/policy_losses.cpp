#include "weir/rl/objective/policy_losses.h"

#include <cmath>
#include <functional>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/rl/objective/aggregation.h"
#include "weir/rl/objective/settings.h"

namespace weir::rl {
namespace {

// What every loss reads.
struct Terms {
  const PolicyInput& in;
  const PolicyLossOptions& options;
  at::Tensor x, ratio;  ///< log pi - log pi_old and its exponential, with gradients.

  const at::Tensor& A() const { return in.advantage; }
  at::Tensor clamped(const at::Tensor& r) const {
    return r.clamp(1 - options.low, 1 + options.high);
  }
  /// Means of rows over their tokens, [B, 1].
  at::Tensor row_mean(const at::Tensor& of) const {
    return (of * in.mask).sum(1, true) / in.mask.sum(1, true).clamp_min(1);
  }
  double mean(const at::Tensor& of) const { return masked_mean(of, in.mask).item<double>(); }
  double share(const at::Tensor& is_so) const { return mean(is_so.to(in.mask.scalar_type())); }
};

PolicyLoss clipped(const Terms& of, const at::Tensor& ratio) {
  const PolicyLossOptions& o = of.options;
  const at::Tensor bounded = o.delta > 0 ? ratio.clamp_max(o.delta) : ratio;
  const at::Tensor free = -of.A() * bounded, clip = -of.A() * of.clamped(ratio);
  PolicyLoss loss{at::max(free, clip), {}};
  loss.stats["clip_share"] = of.share(clip.gt(free));
  if (o.dual > 0) {
    const at::Tensor most = -of.A() * o.dual, is_negative = of.A().lt(0);
    loss.stats["dual_clip_share"] = of.share(loss.losses.gt(most).logical_and(is_negative));
    loss.losses = at::where(is_negative, at::min(loss.losses, most), loss.losses);
  }
  return loss;
}

PolicyLoss clip(const Terms& of) {
  if (of.options.level == "token") return clipped(of, of.ratio);
  return clipped(of, of.row_mean(of.x).exp().expand_as(of.x));
}

PolicyLoss gspo(const Terms& of) {
  const at::Tensor through = of.in.log_prob - of.in.log_prob.detach();
  const at::Tensor log_ratio = (of.row_mean(of.x).detach() + through).clamp_max(10);
  return clipped(of, log_ratio.exp());
}

PolicyLoss cispo(const Terms& of) {
  const at::Tensor r = of.ratio.detach(), bounded = of.clamped(r);
  return {-bounded * of.A() * of.in.log_prob, {{"clip_share", of.share(r.ne(bounded))}}};
}

PolicyLoss sapo(const Terms& of) {
  const at::Tensor tau = at::where(of.A().gt(0), at::full_like(of.A(), of.options.tau_pos),
                                   at::full_like(of.A(), of.options.tau_neg));
  return {-at::sigmoid(tau * (of.ratio - 1)) * (4 / tau) * of.A(), {}};
}

PolicyLoss gpg(const Terms& of) { return {-of.in.log_prob * of.A(), {}}; }

PolicyLoss geo_mean(const Terms& of) {
  const at::Tensor sign = of.A().sign();
  const at::Tensor bounded = of.x.clamp(-of.options.low, of.options.high);
  const at::Tensor towards = sign * at::min(sign * of.x, sign * bounded);
  const at::Tensor rows = -of.row_mean(of.A()) * of.row_mean(towards).exp();
  return {rows.expand_as(of.x), {{"clip_share", of.share(towards.ne(of.x))}}};
}

// (A - mean A) (log pi - mean log pi), -infinity where nothing counts.
at::Tensor covariances(const Terms& of) {
  const at::Tensor logp = of.in.log_prob.detach();
  const at::Tensor product =
      (of.A() - masked_mean(of.A(), of.in.mask)) * (logp - masked_mean(logp, of.in.mask));
  return product.masked_fill(of.in.mask.eq(0), -INFINITY);
}

PolicyLoss clip_cov(const Terms& of) {
  const PolicyLossOptions& o = of.options;
  const at::Tensor free = -of.A() * of.ratio, clip = -of.A() * of.clamped(of.ratio);
  const at::Tensor cov = covariances(of).masked_fill(clip.gt(free), -INFINITY);
  const at::Tensor found =
      cov.lt(o.cov_high).logical_and(cov.gt(o.cov_low)).flatten().nonzero().flatten();
  std::vector<int64_t> picked(found.data_ptr<int64_t>(), found.data_ptr<int64_t>() + found.numel());
  const auto most = static_cast<size_t>(
      std::max<int64_t>(1, static_cast<int64_t>(o.cov_ratio * of.in.mask.sum().item<double>())));
  Draw draw(o.seed);
  draw.shuffle(picked);
  if (picked.size() > most) picked.resize(most);
  const at::Tensor kept = at::ones_like(of.A()).flatten();
  if (!picked.empty()) kept.index_fill_(0, at::tensor(picked, at::kLong), 0);
  const at::Tensor is_kept = kept.view_as(of.A());
  return {at::max(free, clip) * is_kept, {{"clip_share", of.share(is_kept.eq(0))}}};
}

PolicyLoss kl_cov(const Terms& of) {
  const at::Tensor cov = covariances(of).flatten();
  const double n = of.in.mask.sum().item<double>();
  const int64_t k = std::max<int64_t>(1, static_cast<int64_t>(n * of.options.cov_ratio));
  const at::Tensor chosen = at::zeros_like(cov);
  chosen.index_fill_(0, std::get<1>(cov.topk(std::min(k, cov.numel()))), 1);
  const at::Tensor more = chosen.view_as(of.x) * of.options.kl_coef * of.x.abs();
  return {-of.A() * of.ratio + more, {}};
}

PolicyLoss vespo(const Terms& of) {
  const PolicyLossOptions& o = of.options;
  // The bounds of the reference: 1e-8 and e^20.
  const at::Tensor log_w = (of.x.detach() * of.in.mask).sum(1, true).clamp(std::log(1e-8), 20);
  const at::Tensor is_good = of.A().ge(0);
  const auto by_sign = [&](double positive, double negative) {
    return at::where(is_good, at::full_like(of.A(), positive), at::full_like(of.A(), negative));
  };
  const at::Tensor phi =
      (by_sign(o.k_pos, o.k_neg) * log_w + by_sign(o.lambda_pos, o.lambda_neg) * (1 - log_w.exp()))
          .exp();
  return {-phi * of.A() * of.in.log_prob, {{"phi", phi.mean().item<double>()}}};
}

using Kind = std::function<PolicyLoss(const Terms&)>;

const std::map<std::string, Kind>& kinds() {
  static const std::map<std::string, Kind> all = {
      {"cispo", cispo},       {"clip", clip}, {"clip_cov", clip_cov},
      {"geo_mean", geo_mean}, {"gpg", gpg},   {"gspo", gspo},
      {"kl_cov", kl_cov},     {"sapo", sapo}, {"vespo", vespo}};
  return all;
}

void add_ratio_stats(const Terms& of, PolicyLoss* loss) {
  const at::Tensor counted = of.in.mask.gt(0);
  if (!counted.any().item<bool>()) return;
  const at::Tensor r = of.ratio.detach().masked_select(counted);
  loss->stats["ratio_min"] = r.min().item<double>();
  loss->stats["ratio_max"] = r.max().item<double>();
  loss->stats["ratio_mean"] = r.mean().item<double>();
  loss->stats["kl_old"] = -masked_mean(of.x.detach(), of.in.mask).item<double>();
}

}  // namespace

const std::vector<std::string>& policy_loss_kinds() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const auto& [name, kind] : kinds()) list.push_back(name);
    return list;
  }();
  return names;
}

PolicyLossOptions policy_loss_options(const nlohmann::json& of) {
  Settings settings(of, "loss");
  PolicyLossOptions o;
  o.kind = settings.choice("kind", o.kind, policy_loss_kinds());
  o.low = settings.number("low", o.low, 0);
  o.high = settings.number("high", o.high, 0);
  o.dual = settings.number("dual", o.dual, 0);
  o.delta = settings.number("delta", o.delta, 0);
  o.level = settings.choice("level", o.level, {"token", "sequence"});
  o.tau_pos = settings.number("tau_pos", o.tau_pos, 0);
  o.tau_neg = settings.number("tau_neg", o.tau_neg, 0);
  o.cov_ratio = settings.number("cov_ratio", o.cov_ratio, 0);
  o.cov_low = settings.number("cov_low", o.cov_low);
  o.cov_high = settings.number("cov_high", o.cov_high);
  o.kl_coef = settings.number("kl_coef", o.kl_coef);
  o.k_pos = settings.number("k_pos", o.k_pos);
  o.lambda_pos = settings.number("lambda_pos", o.lambda_pos);
  o.k_neg = settings.number("k_neg", o.k_neg);
  o.lambda_neg = settings.number("lambda_neg", o.lambda_neg);
  o.seed = static_cast<uint64_t>(settings.number("seed", 0, 0));
  settings.finish();
  return o;
}

PolicyLoss policy_loss(const PolicyInput& input, const PolicyLossOptions& options) {
  for (const at::Tensor* of : {&input.old_log_prob, &input.advantage, &input.mask}) {
    require(of->defined() && of->sizes() == input.log_prob.sizes(),
            "policy loss: expected log-probabilities, advantages and mask [B, T] alike");
  }
  Terms of{input, options, input.log_prob - input.old_log_prob, {}};
  // Beyond e^20 a ratio says only that it is large, and its gradient nothing.
  of.ratio = of.x.clamp(-20, 20).exp();
  PolicyLoss loss = kinds().at(options.kind)(of);
  add_ratio_stats(of, &loss);
  return loss;
}

}  // namespace weir::rl
