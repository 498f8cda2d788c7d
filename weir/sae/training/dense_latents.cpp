#include "weir/sae/training/dense_latents.h"

#include <cmath>

#include <ATen/ATen.h>

#include "weir/sae/training/noise.h"
#include "weir/sae/training/straight_through.h"

namespace weir {
namespace {

using Variance = VariationalSaeConfig::Variance;
using SelectOn = VariationalSaeConfig::SelectOn;

at::Tensor as_number(const at::Tensor& mask, const at::Tensor& like) {
  return mask.to(like.scalar_type());
}

// sigma eps, with sigma's bounds.
at::Tensor noise_of(const Sae& sae, const SaeBatch& batch, const at::Tensor& log_var) {
  const VariationalSaeConfig& how = sae.config.variational;
  return batch.noise * (0.5 * log_var.clamp(how.log_var_min, how.log_var_max)).exp();
}

class Forward {
 public:
  Forward(const Sae& sae, const SaeTrainingSettings& settings, const SaeBatch& batch, double k)
      : sae_(sae), settings_(settings), batch_(batch), k_(k) {
    input_ = sae.config.apply_b_dec_to_input ? batch.x - flat_decoder_bias(sae) : batch.x;
    linear_ = input_.matmul(flat_encoder(sae));
    if (sae.find("b_enc").defined()) linear_ = linear_ + sae.weight("b_enc");
  }

  DenseLatents run() {
    const std::string& kind = sae_.config.kind;
    made_.pre = linear_;
    if (sae_.config.rescale_acts_by_decoder_norm) {
      made_.norms = decoder_norms(sae_);
      made_.pre = linear_ * made_.norms;
    }
    if (is_variational(sae_)) {
      variational(kind);
    } else if (sae_.find("b_gate").defined()) {
      gated();
    } else if (sae_.find("threshold").defined() && sae_.config.k == 0) {
      made_.latents = jump_relu(made_.pre, sae_.weight("threshold").relu(),
                                settings_.jump_relu.bandwidth, settings_.jump_relu.reaches_input);
    } else if (sae_.config.k > 0) {
      chosen(kind);
    } else {
      made_.latents = made_.pre.relu();
    }
    return made_;
  }

 private:
  bool is_batch_kind(const std::string& kind) const {
    return kind.find("batchtopk") != std::string::npos || kind == "vsae_matryoshka";
  }

  void gated() {
    const at::Tensor pi = linear_ + sae_.weight("b_gate");
    const at::Tensor size = sae_.weight("r_mag").exp() * linear_ + sae_.weight("b_mag");
    made_.gate = pi.relu();
    made_.latents = as_number(pi > 0, pi) * size.relu();
  }

  void chosen(const std::string& kind) {
    const at::Tensor& pre = made_.pre;
    const auto k = static_cast<int64_t>(k_);
    at::Tensor value = pre.relu();
    if (settings_.passes_zeros) value = pre + (value - pre).detach();
    if (kind == "abstopk") {
      value = pre;
      made_.selected = highest_of_rows(pre.abs(), k);
    } else if (kind == "groupmax") {
      const at::Tensor groups = pre.detach().relu().view({pre.size(0), k, -1});
      const at::Tensor best = std::get<1>(groups.max(-1, true));
      made_.selected = at::zeros_like(groups, at::kBool).scatter(-1, best, true).view(pre.sizes());
    } else if (is_batch_kind(kind)) {
      made_.selected = highest_of_batch(pre.relu(), k_);
    } else {
      made_.selected = highest_of_rows(pre, k);
    }
    made_.latents = value * as_number(made_.selected, pre);
  }

  // log sigma^2 of each latent; undefined where there is no variance.
  at::Tensor log_var() const {
    switch (sae_.config.variational.variance) {
      case Variance::kNone:
        return {};
      case Variance::kFixed:
        return at::full_like(linear_, 2 * std::log(settings_.variational.sigma));
      case Variance::kLearned:
        return input_.matmul(sae_.weight("W_var")) + sae_.weight("b_var");
    }
    return {};
  }

  at::Tensor sampled(const at::Tensor& mu) const {
    const bool samples = settings_.variational.samples && made_.log_var.defined();
    return samples ? mu + noise_of(sae_, batch_, made_.log_var) : mu;
  }

  void variational(const std::string& kind) {
    made_.log_var = log_var();
    if (kind == "vsae_gated") return variational_gate();
    if (kind == "vsae_jumprelu") {
      // Released: a hard gate on mu, before the noise; the threshold learns nothing.
      made_.mu = linear_ * as_number(linear_ > sae_.weight("threshold").detach(), linear_);
      made_.latents = made_.z = sampled(made_.mu);
      return;
    }
    made_.mu = sae_.config.variational.relu_mu ? made_.pre.relu() : made_.pre;
    if (sae_.config.k == 0) {  // vsae_iso: dense latents
      made_.latents = made_.z = sampled(made_.mu);
      return;
    }
    if (kind == "vsae_matryoshka") return variational_prefixes();
    const bool later = settings_.variational.after_selection;
    made_.z = later ? made_.mu : sampled(made_.mu);
    const SelectOn on = sae_.config.variational.select_on;
    const at::Tensor& chooses = on == SelectOn::kMu ? made_.mu : made_.z;
    const at::Tensor score = on == SelectOn::kAbsZ ? chooses.abs() : chooses;
    made_.selected = is_batch_kind(kind) ? highest_of_batch(score, k_)
                                         : highest_of_rows(score, static_cast<int64_t>(k_));
    made_.latents = (later ? sampled(made_.mu) : made_.z) * as_number(made_.selected, score);
  }

  void variational_gate() {
    const at::Tensor pi = linear_ + sae_.weight("b_gate");
    made_.gate = pi.relu();
    made_.mu = sae_.weight("r_mag").exp() * linear_ + sae_.weight("b_mag");
    made_.z = sampled(made_.mu);
    made_.latents = as_number(pi > 0, pi) * made_.z;
  }

  // Released: mean and log variance of latents that were not chosen are 0, and all are sampled.
  void variational_prefixes() {
    made_.selected = highest_of_batch(made_.mu.relu(), k_);
    const at::Tensor mask = as_number(made_.selected, made_.mu);
    made_.mu = made_.mu.relu() * mask;
    if (made_.log_var.defined()) made_.log_var = made_.log_var * mask;
    made_.latents = made_.z = sampled(made_.mu);
  }

  const Sae& sae_;
  const SaeTrainingSettings& settings_;
  const SaeBatch& batch_;
  double k_;
  at::Tensor input_, linear_;
  DenseLatents made_;
};

}  // namespace

bool is_variational(const Sae& sae) { return sae.config.kind.rfind("vsae_", 0) == 0; }

at::Tensor highest_of_rows(const at::Tensor& score, int64_t k) {
  const at::Tensor ids = std::get<1>(score.detach().topk(k, -1, true, false));
  return at::zeros_like(score, at::kBool).scatter_(-1, ids, true);
}

at::Tensor highest_of_batch(const at::Tensor& score, double k) {
  const auto n = static_cast<int64_t>(k * static_cast<double>(score.size(0)));
  const at::Tensor ids = std::get<1>(score.detach().flatten().topk(n, 0, true, false));
  return at::zeros({score.numel()}, score.options().dtype(at::kBool).requires_grad(false))
      .scatter_(0, ids, true)
      .view(score.sizes());
}

DenseLatents dense_latents(const Sae& sae, const SaeTrainingSettings& settings,
                           const SaeBatch& batch, double k) {
  const bool needs_noise = is_variational(sae) && settings.variational.samples &&
                           sae.config.variational.variance != Variance::kNone;
  SaeBatch given = batch;
  if (needs_noise && !batch.noise.defined()) {
    given.noise =
        normal_table(batch.noise_seed, batch.x.size(0), sae.config.d_sae, batch.x.options());
  }
  return Forward(sae, settings, given, k).run();
}

}  // namespace weir
