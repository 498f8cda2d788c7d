#include "weir/train/optimizer.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"

namespace weir {
namespace {

// What torch adds to the norm before it divides.
constexpr double kClipEpsilon = 1e-6;

}  // namespace

double clip_gradients(const std::vector<at::Tensor>& gradients, double most) {
  const at::NoGradGuard no_grad;
  double squares = 0;
  for (const at::Tensor& gradient : gradients) {
    if (gradient.defined()) squares += gradient.to(at::kDouble).square().sum().item<double>();
  }
  const double norm = std::sqrt(squares);
  const double factor = most / (norm + kClipEpsilon);
  if (factor < 1) {
    for (at::Tensor gradient : gradients) {
      if (gradient.defined()) gradient.mul_(factor);
    }
  }
  return norm;
}

Optimizer::Optimizer(std::vector<at::Tensor> parameters, std::vector<std::string> slots)
    : parameters_(std::move(parameters)),
      slot_names_(std::move(slots)),
      counts_(at::zeros({static_cast<int64_t>(parameters_.size())}, at::kLong)) {
  const at::NoGradGuard no_grad;
  for (const at::Tensor& parameter : parameters_) {
    std::vector<at::Tensor>& kept = slots_.emplace_back();
    for (size_t s = 0; s < slot_names_.size(); ++s) kept.push_back(at::zeros_like(parameter));
  }
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
    update(parameters_[i], gradients[i], slots_[i], ++counts[i], learning_rate);
  }
}

std::map<std::string, at::Tensor> Optimizer::state() const {
  std::map<std::string, at::Tensor> state = {{"counts", counts_}};
  for (size_t i = 0; i < slots_.size(); ++i) {
    for (size_t s = 0; s < slot_names_.size(); ++s) {
      state[fmt::format("{}.{}", i, slot_names_[s])] = slots_[i][s];
    }
  }
  return state;
}

void Optimizer::load_state(const std::map<std::string, at::Tensor>& state) {
  const at::NoGradGuard no_grad;
  const auto own = this->state();
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
    : Optimizer(std::move(parameters), {"momentum"}), options_(options) {}

void Sgd::update(at::Tensor parameter, const at::Tensor& gradient, std::vector<at::Tensor>& slots,
                 int64_t /*count*/, double learning_rate) {
  const at::Tensor d = gradient + options_.weight_decay * parameter;
  at::Tensor& velocity = slots[0];
  velocity.mul_(options_.momentum).add_(d);  // Starts at 0, so the first is d.
  parameter.sub_(learning_rate * (options_.nesterov ? d + options_.momentum * velocity : velocity));
}

Adam::Adam(std::vector<at::Tensor> parameters, const AdamOptions& options)
    : Optimizer(std::move(parameters),
                options.amsgrad ? std::vector<std::string>{"mean", "square", "largest_square"}
                                : std::vector<std::string>{"mean", "square"}),
      options_(options) {}

void Adam::update(at::Tensor parameter, const at::Tensor& gradient, std::vector<at::Tensor>& slots,
                  int64_t count, double learning_rate) {
  at::Tensor g = gradient;
  if (options_.decoupled) {
    parameter.mul_(1 - learning_rate * options_.weight_decay);
  } else {
    g = gradient + options_.weight_decay * parameter;
  }
  slots[0].mul_(options_.beta1).add_(g * (1 - options_.beta1));
  slots[1].mul_(options_.beta2).add_(g.square() * (1 - options_.beta2));
  if (options_.amsgrad) slots[2].copy_(at::maximum(slots[2], slots[1]));
  const auto n = static_cast<double>(count);
  const double mean_scale = 1 - std::pow(options_.beta1, n);
  const double square_scale = std::sqrt(1 - std::pow(options_.beta2, n));
  const at::Tensor divisor = slots.back().sqrt() / square_scale + options_.eps;
  parameter.sub_(learning_rate / mean_scale * slots[0] / divisor);
}

}  // namespace weir
