#include "weir/pretrain/trainer.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/model/own.h"
#include "weir/tensor/vocab_cross_entropy.h"
#include "weir/train/clip.h"

namespace weir {
namespace {

int64_t n_counted(const std::vector<data::Batch>& parts) {
  int64_t n = 0;
  for (const data::Batch& part : parts) {
    n += (part.labels.slice(1, 1) != kNotCounted).sum().item<int64_t>();
  }
  return n;
}

}  // namespace

LanguageTrainer::LanguageTrainer(LoadedModel* model, const std::vector<std::string>& globs,
                                 const LanguageTrainerOptions& options)
    : model_(model), options_(options), parameters_(trainable(*model, globs)) {
  for (const Parameter& parameter : parameters_) leaves_.push_back(parameter.held());
  transformer_ = std::make_unique<Transformer>(model->config, model->weights, options.compute);
}

LanguageTrainer::LanguageTrainer(LoadedModel* model, std::shared_ptr<const Lora> adapter,
                                 const LanguageTrainerOptions& options)
    : model_(model), adapter_(std::move(adapter)), options_(options), leaves_(adapter_->leaves()) {
  transformer_ = std::make_unique<Transformer>(model->config, model->weights, options.compute);
}

Weights LanguageTrainer::weights() const {
  return adapter_ ? adapter_->applied(model_->weights, model_->config) : model_->weights;
}

void LanguageTrainer::set_optimizer(std::unique_ptr<Optimizer> optimizer) {
  optimizer_ = std::move(optimizer);
}

template <typename Number>
Number LanguageTrainer::sum_of_all(Number of) const {
  if (!options_.group) return of;
  const at::Tensor sum = at::full({1}, static_cast<double>(of), at::kDouble);
  options_.group->sum({sum});
  return static_cast<Number>(sum.item<double>());
}

LanguageTrainer::Update LanguageTrainer::update(const std::vector<data::Batch>& parts,
                                                double learning_rate) {
  const int64_t n = sum_of_all(n_counted(parts));
  require(n > 0, "training: a batch without a single token to predict");
  Update update;
  std::vector<at::Tensor> gradients(leaves_.size());
  for (const data::Batch& part : parts) {
    LanguageGradients more = language_gradients(*transformer_, weights(), leaves_, part,
                                                static_cast<double>(n), options_.loss);
    update.sums += more.sums;
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) {
        gradients[i] = more.gradients[i];
      } else if (more.gradients[i].defined()) {
        gradients[i].add_(more.gradients[i]);
      }
    }
  }
  if (options_.group) {
    options_.group->sum(gradients);
    update.sums.loss = sum_of_all(update.sums.loss);
    update.sums.squared_logsumexp = sum_of_all(update.sums.squared_logsumexp);
    update.sums.n_correct = sum_of_all(update.sums.n_correct);
    update.sums.n_counted = n;
  }
  update.gradient_norm =
      options_.clip > 0 ? clip_gradients(gradients, options_.clip) : gradient_norm(gradients);
  if (std::isfinite(update.gradient_norm) && std::isfinite(update.sums.loss)) {
    optimizer_->step(gradients, learning_rate);
  }
  return update;
}

LanguageLoss LanguageTrainer::loss(const data::Batch& batch) const {
  const at::NoGradGuard no_grad;
  return language_loss(*transformer_, weights(), batch);
}

}  // namespace weir
