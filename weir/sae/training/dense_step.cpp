#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "weir/base/error.h"
#include "weir/sae/training/dense_latents.h"
#include "weir/sae/training/kl_divergence.h"
#include "weir/sae/training/sparsity.h"
#include "weir/sae/training/straight_through.h"

namespace weir {
namespace {

at::Tensor row_squares(const at::Tensor& e) { return e.square().sum(-1).mean(); }

at::Tensor total_variance(const at::Tensor& y) { return (y - y.mean(0)).square().sum(); }

class Terms {
 public:
  void add(const std::string& name, const at::Tensor& value, double weight = 1) {
    terms_.push_back({name, value.item<double>(), weight});
    if (weight == 0) return;
    loss_ = loss_.defined() ? loss_ + weight * value : weight * value;
  }
  const at::Tensor& loss() const { return loss_; }
  const std::vector<LossTerm>& list() const { return terms_; }

 private:
  at::Tensor loss_;
  std::vector<LossTerm> terms_;
};

class DenseLoss {
 public:
  DenseLoss(const Sae& sae, const SaeTrainingSettings& settings, const SaeBatch& batch,
            const SaeStepSituation& situation)
      : sae_(sae), settings_(settings), batch_(batch), situation_(situation) {
    y_ = batch.y.defined() ? batch.y : batch.x;
    made_ = dense_latents(sae, settings, batch, situation.k);
    if (situation.dead) dead_ = situation.dead(fired());
  }

  Terms run() {
    if (sae_.config.kind == "hierarchical_topk") {
      budgets();
    } else if (sae_.config.widths.empty()) {
      x_hat_ = decode(made_.latents, sae_.config.d_sae);
      terms_.add("reconstruction", error(y_ - x_hat_), 1);
    } else {
      levels();
    }
    gate();
    sparsity();
    if (settings_.auxk.coefficient > 0) auxk();
    if (settings_.multi_topk > 0) more_latents();
    if (settings_.variational.mean_path > 0) {
      terms_.add("mean_path", row_squares(y_ - decode(made_.mu, sae_.config.d_sae)),
                 settings_.variational.mean_path * situation_.sparsity);
    }
    if (is_variational(sae_)) kl();
    return terms_;
  }

  const DenseLatents& made() const { return made_; }
  const at::Tensor& x_hat() const { return x_hat_; }
  const at::Tensor& y() const { return y_; }
  at::Tensor active() const { return made_.latents.detach() != 0; }

 private:
  at::Tensor fired() const {
    switch (settings_.dead.fired) {
      case DeadSettings::Fired::kSelected:
        if (settings_.multi_topk > 0) {  // Those of the larger choice, as sparsify has it.
          return highest_of_rows(made_.pre, 4 * static_cast<int64_t>(situation_.k)).any(0);
        }
        return (made_.selected.defined() ? made_.selected : active()).any(0);
      case DeadSettings::Fired::kPositiveSum:
        return made_.latents.detach().sum(0) > 0;
      case DeadSettings::Fired::kAboveThousandth:
        return (made_.latents.detach() > 1e-3).any(0);
      case DeadSettings::Fired::kNonZero:
        break;
    }
    return active().any(0);
  }

  // Of the first n latents.
  at::Tensor decode_without_bias(const at::Tensor& latents, int64_t n) const {
    at::Tensor f = latents.narrow(1, 0, n);
    if (made_.norms.defined()) f = f / made_.norms.narrow(0, 0, n);
    return f.matmul(flat_decoder(sae_).narrow(0, 0, n));
  }

  at::Tensor decode(const at::Tensor& latents, int64_t n) const {
    at::Tensor out = decode_without_bias(latents, n) + flat_decoder_bias(sae_);
    const at::Tensor skip = sae_.find("W_skip");
    return skip.defined() ? out + batch_.x.matmul(skip.t()) : out;
  }

  at::Tensor error(const at::Tensor& e) const {
    switch (settings_.reconstruction) {
      case Reconstruction::kSum:
        return row_squares(e);
      case Reconstruction::kMean:
        return settings_.reconstruction_scale * e.square().mean();
      case Reconstruction::kVarianceShare:
        return e.square().sum() / total_variance(y_);
    }
    fail(ErrorCode::kInternal, "sae step: no such reconstruction");
  }

  void levels() {
    const std::vector<int64_t>& widths = sae_.config.widths;
    const double share = settings_.mean_of_levels ? 1.0 / static_cast<double>(widths.size()) : 1;
    for (size_t i = 0; i < widths.size(); ++i) {
      const bool is_last = i + 1 == widths.size();
      const at::Tensor x_hat = decode(made_.latents, widths[i]);
      residuals_.push_back((y_ - x_hat).detach());
      double weight = settings_.level_weights.empty() ? share : settings_.level_weights[i] * share;
      if (settings_.last_level_only) weight = is_last ? 1 : 0;
      terms_.add(is_last ? "reconstruction" : "level_" + std::to_string(widths[i]),
                 error(y_ - x_hat), weight);
      if (is_last) x_hat_ = x_hat;
    }
  }

  // HierarchicalTopK: every budget from 1 to k, of latents in falling order.
  void budgets() {
    const auto k = static_cast<int64_t>(situation_.k);
    auto [values, ids] = made_.pre.relu().topk(k, -1, true, true);
    const at::Tensor rows = flat_decoder(sae_).index({ids});
    const at::Tensor prefixes = (values.unsqueeze(-1) * rows).cumsum(1) + flat_decoder_bias(sae_);
    x_hat_ = prefixes.select(1, k - 1);
    terms_.add("reconstruction", (y_.unsqueeze(1) - prefixes).square().sum(-1).mean(), 1);
  }

  void gate() {
    if (!made_.gate.defined() || settings_.gate.coefficient == 0) return;
    at::Tensor rows = flat_decoder(sae_), bias = flat_decoder_bias(sae_);
    if (settings_.gate.detached_decoder) rows = rows.detach(), bias = bias.detach();
    terms_.add("gate", row_squares(y_ - (made_.gate.matmul(rows) + bias)),
               settings_.gate.coefficient);
  }

  void sparsity() {
    const SparsitySettings& how = settings_.sparsity;
    if (how.kind != SparsityKind::kNone) {
      at::Tensor of = made_.gate.defined() ? made_.gate : made_.latents;
      if (is_variational(sae_) && !made_.gate.defined()) of = made_.mu.abs();
      const bool counts = how.kind == SparsityKind::kL0 || how.kind == SparsityKind::kL0Quadratic;
      terms_.add("sparsity",
                 sparsity_penalty(sae_, settings_, counts ? made_.pre : of, situation_.p),
                 situation_.sparsity);
    }
    if (how.pre_activation > 0 && dead_.defined()) {
      const at::Tensor below = (sae_.weight("threshold").relu() - made_.pre).relu();
      terms_.add("pre_activation", (below * dead_ * decoder_norms(sae_)).sum(-1).mean(),
                 how.pre_activation);
    }
  }

  // Chosen among `dead` latents, their reconstruction of `residual`.
  at::Tensor auxk_of(const at::Tensor& dead, const at::Tensor& residual) const {
    const AuxKSettings& how = settings_.auxk;
    const int64_t n_dead = dead.defined() ? dead.sum().item<int64_t>() : 0;
    if (n_dead == 0) return at::zeros({}, y_.options());
    const int64_t most = how.k > 0 ? how.k : std::max<int64_t>(1, sae_.config.d_in / 2);
    at::Tensor offered = made_.z.defined() ? made_.z : made_.pre;
    if (how.offer == AuxKSettings::Offer::kRelu) offered = offered.relu();
    if (!how.trains_encoder) offered = offered.detach();
    const at::Tensor score = how.offer == AuxKSettings::Offer::kSize ? offered.abs() : offered;
    const at::Tensor mask = highest_of_rows(
        score.detach().masked_fill(dead.logical_not(), -INFINITY), std::min(most, n_dead));
    at::Tensor target = residual;
    at::Tensor found =
        decode_without_bias(offered * mask.to(offered.scalar_type()), sae_.config.d_sae);
    if (how.bias != AuxKSettings::Bias::kNone) found = found + flat_decoder_bias(sae_);
    if (how.bias == AuxKSettings::Bias::kBoth) target = target + flat_decoder_bias(sae_).detach();
    const double share = static_cast<double>(n_dead) / static_cast<double>(most);
    return (how.scaled_by_dead ? std::min(1.0, share) : 1.0) * normalised(found - target, target);
  }

  at::Tensor normalised(const at::Tensor& e, const at::Tensor& target) const {
    const AuxKSettings& how = settings_.auxk;
    if (how.per == AuxKSettings::Per::kNothing) return row_squares(e);
    if (how.per == AuxKSettings::Per::kTotalVariance) return e.square().sum() / total_variance(y_);
    const int64_t n = target.size(0) - (how.unbiased ? 1 : 0);
    const at::Tensor variance = total_variance(target) / n + how.eps;
    // Nothing is left to explain, or one row has no spread.
    const bool has_spread = variance.item<double>() > 0;
    return has_spread ? row_squares(e) / variance : at::zeros({}, e.options());
  }

  void auxk() {
    if (!settings_.auxk.each_level || residuals_.empty()) {
      at::Tensor residual = y_ - x_hat_;
      if (!settings_.auxk.reaches_residual) residual = residual.detach();
      terms_.add("auxk", auxk_of(dead_, residual), settings_.auxk.coefficient);
      return;
    }
    at::Tensor sum = at::zeros({}, y_.options());
    int64_t first = 0;
    for (size_t i = 0; i < residuals_.size() && dead_.defined(); ++i) {
      at::Tensor of_level = at::zeros_like(dead_);
      const int64_t end = sae_.config.widths[i];
      of_level.slice(0, first, end).copy_(dead_.slice(0, first, end));
      sum = sum + auxk_of(of_level, residuals_[i]);
      first = end;
    }
    terms_.add("auxk", sum, settings_.auxk.coefficient);
  }

  void more_latents() {
    const at::Tensor mask = highest_of_rows(made_.pre, 4 * static_cast<int64_t>(situation_.k));
    at::Tensor values = made_.pre.relu();
    if (settings_.passes_zeros) values = values.detach();
    const at::Tensor e = y_ - decode(values * mask.to(values.scalar_type()), sae_.config.d_sae);
    terms_.add("multi_topk", e.square().sum() / total_variance(y_), settings_.multi_topk);
  }

  void kl() {
    at::Tensor each = kl_divergence(made_.mu, made_.log_var, settings_.kl,
                                    {settings_.kl.prior_scale, {}, {}, {}});
    if (settings_.kl.selected_only && made_.selected.defined()) {
      each = each * made_.selected.to(each.scalar_type());
    }
    const at::Tensor sum = settings_.kl.free_nats > 0
                               ? each.mean(0).clamp_min(settings_.kl.free_nats).sum()
                               : each.sum(-1).mean().clamp_min(0);
    terms_.add("kl", sum * settings_.kl.factor, situation_.kl);
  }

  const Sae& sae_;
  const SaeTrainingSettings& settings_;
  const SaeBatch& batch_;
  const SaeStepSituation& situation_;
  at::Tensor y_, x_hat_, dead_;
  std::vector<at::Tensor> residuals_;
  DenseLatents made_;
  Terms terms_;
};

// Of one that chooses k of each row the mean of the rows' least; else the batch's least.
double least_positive(const Sae& sae, const at::Tensor& latents) {
  const at::Tensor positive = latents.masked_fill(latents <= 0, INFINITY);
  const bool of_rows = sae.config.kind == "topk" || sae.config.kind == "vsae_topk";
  const at::Tensor least = of_rows ? std::get<0>(positive.min(-1)).mean() : positive.min();
  return std::isfinite(least.item<double>()) ? least.item<double>() : 0;
}

// The same dictionary over leaves of a graph.
Sae with_leaves(const Sae& sae) {
  Sae leaves = sae;
  for (const std::string& name : trained_weights(sae)) {
    leaves.weights[name] = sae.weight(name).detach().requires_grad_(true);
  }
  return leaves;
}

void tell(const Sae& sae, const SaeTrainingSettings& settings, const SaeStepSituation& situation,
          const DenseLoss& loss, SaeGradients* result) {
  const at::NoGradGuard no_grad;
  const at::Tensor latents = loss.made().latents.detach();
  result->l0 = loss.active().sum(-1).to(at::kDouble).mean().item<double>();
  const at::Tensor e = (loss.y() - loss.x_hat()).detach();
  result->explained_variance = 1 - (e.square().sum() / total_variance(loss.y())).item<double>();
  result->least_positive = least_positive(sae, latents);
  if (situation.next_p >= 0) {
    const at::Tensor of = (loss.made().gate.defined() ? loss.made().gate : latents).detach();
    result->penalty = sparsity_penalty(sae, settings, of, situation.p).item<double>();
    result->next_penalty = sparsity_penalty(sae, settings, of, situation.next_p).item<double>();
  }
  if (loss.made().log_var.defined()) {
    result->mean_sigma = (0.5 * loss.made().log_var).exp().mean().item<double>();
  }
  if (loss.made().selected.defined() && loss.made().mu.defined()) {
    const at::Tensor mu = loss.made().mu.detach();
    result->jaccard = selection_jaccard(
        highest_of_rows(mu.abs(), static_cast<int64_t>(situation.k)), loss.made().selected);
  }
  if (!situation.keeps_tensors) return;
  result->latents = latents;
  result->x_hat = loss.x_hat().detach();
}

}  // namespace

std::vector<std::string> trained_weights(const Sae& sae) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : sae.weights) {
    if (name != "threshold" || sae.config.k == 0) names.push_back(name);
  }
  return names;
}

SaeGradients dense_gradients(const Sae& sae, const SaeTrainingSettings& settings,
                             const SaeBatch& batch, const SaeStepSituation& situation) {
  const at::AutoGradMode with_graph(true);
  const Sae leaves = with_leaves(sae);
  DenseLoss loss(leaves, settings, batch, situation);
  const Terms terms = loss.run();
  const std::vector<std::string> names = trained_weights(sae);
  std::vector<at::Tensor> parameters;
  for (const std::string& name : names) parameters.push_back(leaves.weight(name));
  const auto found = torch::autograd::grad({terms.loss()}, parameters, {}, /*retain_graph=*/false,
                                           /*create_graph=*/false, /*allow_unused=*/true);
  SaeGradients result;
  result.loss = terms.loss().item<double>();
  result.terms = terms.list();
  for (size_t i = 0; i < names.size(); ++i) {
    if (found[i].defined()) result.gradients[names[i]] = found[i];
  }
  for (const LossTerm& term : result.terms) {
    if (term.name == "kl") result.kl = term.value;
  }
  tell(leaves, settings, situation, loss, &result);
  return result;
}

}  // namespace weir
