#include "weir/train/signum.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"

namespace weir {

Signum::Signum(std::vector<at::Tensor> parameters, double momentum)
    : Optimizer(parameters, Names{"z"}), parameters_(std::move(parameters)), momentum_(momentum) {
  require(momentum > 0 && momentum <= 1, "signum: expected a momentum above 0, at most 1, found {}",
          momentum);
}

void Signum::update(const Update& of) {
  at::Tensor y = of.parameter, z = of.slots[0];
  if (of.count == 1) z.copy_(y);
  at::Tensor x = y.lerp(z, 1 - 1 / momentum_);
  z.sub_(of.gradient.sign(), of.rate);
  x.lerp_(z, 1 / static_cast<double>(of.count));
  y.copy_(x.lerp(z, 1 - momentum_));
}

std::vector<at::Tensor> Signum::averages() const {
  const at::NoGradGuard no_grad;
  const auto slots = state();
  std::vector<at::Tensor> found;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& z = slots.at(fmt::format("{}.z", i));
    const bool began = slots.at("counts").select(0, static_cast<int64_t>(i)).item<int64_t>() > 0;
    found.push_back(began ? parameters_[i].lerp(z, 1 - 1 / momentum_) : parameters_[i].clone());
  }
  return found;
}

}  // namespace weir
