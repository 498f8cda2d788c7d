#include "weir/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"

namespace weir {

Optimizer::Optimizer(std::vector<at::Tensor> parameters, const Names& slots)
    : Optimizer(parameters, std::vector<Names>(parameters.size(), slots)) {}

Optimizer::Optimizer(std::vector<at::Tensor> parameters, const std::vector<Names>& slots)
    : parameters_(std::move(parameters)),
      slot_names_(slots),
      rules_(parameters_.size()),
      counts_(at::zeros({static_cast<int64_t>(parameters_.size())}, at::kLong)) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    std::vector<at::Tensor>& kept = slots_.emplace_back();
    for (size_t s = 0; s < slot_names_[i].size(); ++s) {
      kept.push_back(at::zeros_like(parameters_[i]));
    }
  }
}

void Optimizer::set_rules(std::vector<ParameterRule> rules) {
  require(rules.size() == parameters_.size(),
          "optimizer: expected a rule for each of {} parameters, got {}", parameters_.size(),
          rules.size());
  rules_ = std::move(rules);
}

void Optimizer::step(const std::vector<at::Tensor>& gradients, double learning_rate) {
  const at::NoGradGuard no_grad;
  require(gradients.size() == parameters_.size(),
          "optimizer: expected a gradient for each of {} parameters, got {}", parameters_.size(),
          gradients.size());
  for (size_t i = 0; i < gradients.size(); ++i) {
    require(!gradients[i].defined() || gradients[i].sizes() == parameters_[i].sizes(),
            "optimizer: gradient {} has another shape than its parameter", i);
  }
  auto* counts = counts_.data_ptr<int64_t>();
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    const ParameterRule& rule = rules_[i];
    update({i, parameters_[i], gradients[i], slots_[i], ++counts[i], learning_rate * rule.rate,
            rule.decay});
  }
}

std::map<std::string, at::Tensor> Optimizer::state() const {
  std::map<std::string, at::Tensor> state = {{"counts", counts_}};
  for (size_t i = 0; i < slots_.size(); ++i) {
    for (size_t s = 0; s < slots_[i].size(); ++s) {
      state[fmt::format("{}.{}", i, slot_names_[i][s])] = slots_[i][s];
    }
  }
  return state;
}

void Optimizer::load_state(const std::map<std::string, at::Tensor>& state) {
  const at::NoGradGuard no_grad;
  const auto own = this->state();
  require(state.size() == own.size(),
          "optimizer: expected a state of {} tensors, got {}; is it of another kind?", own.size(),
          state.size());
  for (const auto& [name, tensor] : own) {
    const auto found = state.find(name);
    require(found != state.end(), "optimizer: the saved state has no '{}'; is it of another kind?",
            name);
    require(found->second.sizes() == tensor.sizes(),
            "optimizer: the saved '{}' has another shape; is it of another model?", name);
  }
  for (const auto& [name, tensor] : own) tensor.copy_(state.at(name));
}

Sgd::Sgd(std::vector<at::Tensor> parameters, const SgdOptions& options)
    : Optimizer(std::move(parameters), options.momentum == 0 ? Names{} : Names{"momentum"}),
      options_(options) {
  require(!options.nesterov || (options.momentum > 0 && options.dampening == 0),
          "sgd: Nesterov's form needs a momentum and no dampening");
}

void Sgd::update(const Update& of) {
  at::Tensor parameter = of.parameter;
  at::Tensor d = options_.maximize ? -of.gradient : of.gradient;
  const double decay = options_.weight_decay * of.decay_factor;
  if (decay != 0) d = d + decay * parameter;
  if (options_.momentum != 0) {
    at::Tensor& velocity = of.slots[0];
    const double taken = of.count == 1 ? 1 : 1 - options_.dampening;
    velocity.mul_(options_.momentum).add_(d, taken);  // Starts at 0, so the first is d.
    d = options_.nesterov ? d + options_.momentum * velocity : velocity;
  }
  parameter.sub_(d, of.rate);
}

RmsProp::RmsProp(std::vector<at::Tensor> parameters, const RmsPropOptions& options)
    : Optimizer(std::move(parameters), Names{"square"}), options_(options) {}

void RmsProp::update(const Update& of) {
  at::Tensor parameter = of.parameter;
  const double decay = options_.weight_decay * of.decay_factor;
  const at::Tensor d = decay == 0 ? of.gradient : of.gradient + decay * parameter;
  of.slots[0].mul_(options_.alpha).addcmul_(d, d, 1 - options_.alpha);
  parameter.addcdiv_(d, of.slots[0].sqrt().add_(options_.eps), -of.rate);
}

}  // namespace weir
