#include "weir/sae/training/sae_trainer.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/sae/training/decoder_constraint.h"
#include "weir/sae/training/geometric_median.h"
#include "weir/sae/training/kl_divergence.h"
#include "weir/sae/training/noise.h"
#include "weir/sae/training/sparse_step.h"
#include "weir/train/adam.h"
#include "weir/train/clip.h"
#include "weir/train/signum.h"

namespace weir {
namespace {

constexpr double kTargetRate = 0.02;  // Share by which the KL's coefficient follows its target.

// W_enc lies latent by latent, as its gradient is written and its rows are read.
at::Tensor own_memory(const std::string& name, const at::Tensor& weight) {
  const bool by_columns = name == "W_enc" || name == "W_var";
  if (by_columns && weight.dim() == 2) return weight.t().contiguous().clone().t();
  return weight.contiguous().clone();
}

Sae own_sae(const Sae& sae) {
  const at::NoGradGuard no_grad;
  Sae own = sae;
  for (auto& [name, weight] : own.weights) weight = own_memory(name, weight.detach());
  const bool keeps_one =
      sae.config.kind == "batchtopk" || sae.config.kind == "matryoshka_batchtopk";
  if (keeps_one && !own.find("threshold").defined()) {
    own.weights["threshold"] = at::full({}, -1, own.weight("b_dec").options());
  }
  return own;
}

std::unique_ptr<Optimizer> make_optimizer(const Sae& sae, const std::vector<std::string>& names,
                                          const SaeOptimizerSettings& how) {
  std::vector<at::Tensor> parameters;
  for (const std::string& name : names) parameters.push_back(sae.weight(name));
  if (how.kind == SaeOptimizerSettings::Kind::kSignum) {
    return std::make_unique<Signum>(parameters, how.momentum);
  }
  AdamOptions adam;
  adam.beta1 = how.beta1;
  adam.beta2 = how.beta2;
  adam.eps = how.eps;
  return std::make_unique<Adam>(parameters, adam);
}

double ramp(int64_t step, int64_t length) {
  return length <= 0 ? 1 : std::min(1.0, static_cast<double>(step) / static_cast<double>(length));
}

}  // namespace

Sae shard_of(const Sae& sae, int64_t rank, int64_t size) {
  const int64_t n = sae.config.d_sae / size;
  require(n * size == sae.config.d_sae, "{} latents cannot be shared by {} processes alike",
          sae.config.d_sae, size);
  Sae part = sae;
  part.config.d_sae = n;
  for (auto& [name, weight] : part.weights) {
    if (name == "W_enc" || name == "W_var") weight = weight.narrow(1, rank * n, n);
    if (name == "W_dec" || (weight.dim() == 1 && name != "b_dec")) {
      weight = weight.narrow(0, rank * n, n);
    }
  }
  return part;
}

double k_of_step(const SaeConfig& config, const SaeTrainingSettings& settings, int64_t step) {
  if (settings.k_anneal <= 0 || settings.k_start <= config.k) return config.k;
  const double left = 1 - ramp(step, settings.k_anneal);
  return std::ceil(config.k + left * (settings.k_start - config.k));
}

SaeTrainer::SaeTrainer(const Sae& start, const SaeTrainingSettings& settings,
                       const SaeTrainerOptions& options)
    : sae_(own_sae(start)),
      settings_(settings),
      options_(options),
      names_(trained_weights(sae_)),
      dead_(sae_.config.d_sae, settings.dead),
      anneal_(settings.anneal, settings.sparsity.coefficient),
      optimizer_(make_optimizer(sae_, names_, settings.optimizer)),
      kl_coefficient_(settings.kl.coefficient) {
  check_sae(sae_);
  require(options.engine != SaeEngine::kSparse || has_sparse_step(sae_, settings),
          "sae training: kind {} with these settings has no sparse step", sae_.config.kind);
  if (options.group) {
    const bool shares = sae_.config.kind == "topk" || sae_.config.kind == "abstopk" ||
                        sae_.config.kind == "vsae_topk";
    require(shares && options.engine != SaeEngine::kDense && has_sparse_step(sae_, settings),
            "sae training: several processes train TopK kinds by the sparse step alone; found {}",
            sae_.config.kind);
  }
  if (sae_.config.k > 0 && sae_.find("threshold").defined()) {
    threshold_ = sae_.weight("threshold").max().item<double>();
  }
  if (settings.threshold.from_zero) threshold_ = std::max(0.0, threshold_);
}

at::Tensor SaeTrainer::rows() const { return flat_decoder(sae_); }

SaeStepSituation SaeTrainer::situation(int64_t step) {
  SaeStepSituation now;
  now.k = k_of_step(sae_.config, settings_, step);
  now.sparsity = anneal_.coefficient() * ramp(step, settings_.sparsity.warmup);
  now.p = anneal_.is_on() ? anneal_.p() : settings_.sparsity.p;
  now.next_p = anneal_.is_on() ? anneal_.next_p() : -1;
  now.kl = kl_coefficient_ * kl_factor(settings_.kl, step);
  now.keeps_tensors = options_.keeps_tensors;
  now.group = options_.group;
  now.shards = options_.shards;
  return now;
}

SaeGradients SaeTrainer::gradients(const SaeBatch& batch, const SaeStepSituation& now) const {
  const bool is_sparse = options_.engine != SaeEngine::kDense && has_sparse_step(sae_, settings_);
  return is_sparse ? sparse_gradients(sae_, settings_, batch, now)
                   : dense_gradients(sae_, settings_, batch, now);
}

SaeStep SaeTrainer::step(const SaeBatch& given, int64_t step, double rate) {
  const at::NoGradGuard no_grad;
  SaeBatch batch = given;
  batch.noise_seed = step_seed(options_.seed, step);
  share(&batch);
  if (step == 0 && settings_.bias_start != BiasStart::kAsGiven) {
    const at::Tensor target = all_rows(batch.y.defined() ? batch.y : batch.x);
    const bool is_median = settings_.bias_start == BiasStart::kGeometricMedian;
    const at::Tensor middle = is_median ? geometric_median(target) : target.mean(0);
    flat_decoder_bias(sae_).copy_(middle);
  }
  if (settings_.decoder.constraint == DecoderConstraint::kUnitBeforeForward) {
    make_rows_unit(rows());
  }
  SaeStep result;
  SaeStepSituation now = situation(step);
  const int64_t n_tokens =
      batch.x.size(0) * (options_.group && !options_.shards ? options_.group->size() : 1);
  const at::Tensor since = dead_.since_fired().clone();
  now.may_be_dead = settings_.dead.counts_first ? dead_.mask_if_silent(n_tokens) : dead_.mask();
  now.dead = [&](const at::Tensor& fired) {
    at::Tensor mask = dead_.mask();
    dead_.count(fired, n_tokens);
    if (settings_.dead.counts_first) mask = dead_.mask();
    result.n_dead = mask.sum().item<int64_t>();
    return mask;
  };
  result.found = gradients(batch, now);
  result.gradient_norm = norm_of(result.found.gradients);
  if (!std::isfinite(result.found.loss) || !std::isfinite(result.gradient_norm)) {
    dead_.set_since_fired(since);
    return result;
  }
  follow_threshold(result.found.least_positive, step);
  update(&result, rate);
  if (settings_.kl.target > 0) {
    const double over = result.found.kl / settings_.kl.target - 1;
    kl_coefficient_ *= std::exp(kTargetRate * std::clamp(over, -1.0, 1.0));
  }
  const bool resamples = settings_.resample_every > 0 && (step + 1) % settings_.resample_every == 0;
  if (resamples) resample_by_error(batch.x, step);
  anneal_.after(step, result.found.penalty, result.found.next_penalty);
  return result;
}

void SaeTrainer::resample(const at::Tensor& dead, const at::Tensor& rows, ResampleRule rule) {
  resample_latents(sae_, dead, rows, rule);
  for (const auto& [name, slot] : optimizer_->state()) {
    const size_t dot = name.find('.');
    if (dot == std::string::npos) continue;
    forget_latents(names_[std::stoul(name.substr(0, dot))], slot, dead);
  }
}

// At most as many latents as there are rows, each row once.
void SaeTrainer::resample_by_error(const at::Tensor& x, int64_t step) {
  at::Tensor dead = dead_.mask();
  const at::Tensor ids = dead.nonzero().flatten().slice(0, 0, x.size(0));
  if (ids.numel() == 0) return;
  dead = at::zeros_like(dead).index_fill_(0, ids, true);
  const at::Generator generator =
      at::detail::createCPUGenerator(step_seed(options_.seed + 1, step));
  const at::Tensor chances =
      resample_chances(sae_, x, ResampleRule::kDictionaryLearning).to(at::kDouble);
  const at::Tensor drawn = at::multinomial(chances, ids.numel(), false, generator);
  resample(dead, x.index_select(0, drawn), ResampleRule::kDictionaryLearning);
}

void SaeTrainer::share(SaeBatch* batch) const {
  if (!options_.group) return;
  const int64_t rank = options_.group->rank();
  (options_.shards ? batch->first_latent : batch->first_row) =
      rank * (options_.shards ? sae_.config.d_sae : batch->x.size(0));
}

// The rows of all processes; each writes its own and they are summed.
at::Tensor SaeTrainer::all_rows(const at::Tensor& own) const {
  if (!options_.group || options_.shards) return own;
  const int64_t n = own.size(0);
  const at::Tensor all = at::zeros({n * options_.group->size(), own.size(1)}, own.options());
  all.narrow(0, n * options_.group->rank(), n).copy_(own);
  options_.group->sum({all});
  return all;
}

double SaeTrainer::norm_of(const std::map<std::string, at::Tensor>& gradients) const {
  double own = 0, shared = 0;
  for (const auto& [name, gradient] : gradients) {
    const double norm = weir::gradient_norm({gradient});
    (name == "b_dec" || name == "W_skip" ? shared : own) += norm * norm;
  }
  if (options_.group && options_.shards) {
    const at::Tensor sum = at::full({1}, own, at::kDouble);
    options_.group->sum({sum});
    own = sum.item<double>();
  }
  return std::sqrt(own + shared);
}

void SaeTrainer::clip(const std::vector<at::Tensor>& gradients) const {
  if (settings_.optimizer.clip <= 0) return;
  std::map<std::string, at::Tensor> defined;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].defined()) defined[names_[i]] = gradients[i];
  }
  // torch's factor (clip.h), of the norm over all processes.
  const double factor = settings_.optimizer.clip / (norm_of(defined) + 1e-6);
  if (!(factor < 1)) return;
  for (auto& [name, gradient] : defined) gradient.mul_(factor);
}

void SaeTrainer::update(SaeStep* step, double rate) {
  std::vector<at::Tensor> given(names_.size());
  at::Tensor decoder_gradient, bias_gradient;
  for (size_t i = 0; i < names_.size(); ++i) {
    const auto found = step->found.gradients.find(names_[i]);
    if (found == step->found.gradients.end()) continue;
    given[i] = options_.keeps_tensors ? found->second.clone() : found->second;
    if (names_[i] == "W_dec") decoder_gradient = given[i].flatten(1);
    if (names_[i] == "b_dec") bias_gradient = given[i];
  }
  using Project = DecoderSettings::Project;
  const auto project = [&](Project when) {
    if (settings_.decoder.project != when || !decoder_gradient.defined()) return;
    remove_parallel_part(decoder_gradient, rows());
    if (!settings_.decoder.constrains_b_dec) return;
    remove_parallel_part(bias_gradient.unsqueeze(0), sae_.weight("b_dec").unsqueeze(0));
  };
  project(Project::kBeforeClip);
  clip(given);
  project(Project::kAfterClip);
  if (settings_.decoder.constraint == DecoderConstraint::kUnitBeforeUpdate) make_rows_unit(rows());
  if (options_.keeps_tensors) {
    for (size_t i = 0; i < names_.size(); ++i) {
      if (given[i].defined()) step->final_gradients[names_[i]] = given[i].clone();
    }
  }
  optimizer_->step(given, rate);
  constrain();
}

void SaeTrainer::constrain() {
  if (settings_.decoder.constraint != DecoderConstraint::kUnitAfterUpdate) return;
  make_rows_unit(rows());
  if (settings_.decoder.constrains_b_dec) make_rows_unit(sae_.weight("b_dec").unsqueeze(0));
}

void SaeTrainer::follow_threshold(double least, int64_t step) {
  const ThresholdSettings& how = settings_.threshold;
  if (sae_.config.k == 0 || (!how.from_zero && step <= how.start)) return;
  threshold_ = threshold_ < 0 ? least : threshold_ + how.rate * (least - threshold_);
  at::Tensor kept = sae_.find("threshold");
  if (kept.defined()) kept.fill_(threshold_);
}

std::map<std::string, at::Tensor> SaeTrainer::state() const {
  std::map<std::string, at::Tensor> all;
  for (const auto& [name, weight] : sae_.weights) all["weight." + name] = weight.contiguous();
  for (const auto& [name, slot] : optimizer_->state()) all["optimizer." + name] = slot.contiguous();
  all["since_fired"] = dead_.since_fired();
  all["anneal"] = at::tensor(anneal_.state(), at::kDouble);
  all["followed"] = at::tensor(std::vector<double>{threshold_, kl_coefficient_}, at::kDouble);
  return all;
}

void SaeTrainer::load_state(const std::map<std::string, at::Tensor>& state) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> slots;
  for (const auto& [name, tensor] : state) {
    if (name.rfind("optimizer.", 0) == 0) slots[name.substr(10)] = tensor;
  }
  const auto find = [&](const std::string& name) -> const at::Tensor& {
    const auto found = state.find(name);
    require(found != state.end(), "sae training: the saved state has no '{}'", name);
    return found->second;
  };
  for (auto& [name, weight] : sae_.weights) {
    const at::Tensor& saved = find("weight." + name);
    require(saved.sizes() == weight.sizes(), "sae training: the saved '{}' has another shape",
            name);
    weight.copy_(saved);
  }
  optimizer_->load_state(slots);
  dead_.set_since_fired(find("since_fired"));
  const at::Tensor& anneal = find("anneal");
  anneal_.load_state({anneal.data_ptr<double>(), anneal.data_ptr<double>() + anneal.numel()});
  const auto* followed = find("followed").data_ptr<double>();
  threshold_ = followed[0];
  kl_coefficient_ = followed[1];
}

}  // namespace weir
