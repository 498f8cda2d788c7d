#include "weir/train/muon.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315, kLeastNorm = 1e-7;

std::vector<std::vector<std::string>> slots_of(const std::vector<at::Tensor>& parameters,
                                               const std::vector<bool>& orthogonal,
                                               const MuonOptions& options) {
  require(orthogonal.size() == parameters.size(),
          "muon: expected to be told of each of {} parameters whether it is orthogonalised, got {}",
          parameters.size(), orthogonal.size());
  std::vector<std::vector<std::string>> slots;
  for (size_t i = 0; i < parameters.size(); ++i) {
    require(!orthogonal[i] || parameters[i].dim() == 2,
            "muon: parameter {} has {} axes; only matrices can be orthogonalised", i,
            parameters[i].dim());
    slots.push_back(orthogonal[i] ? std::vector<std::string>{"momentum"}
                                  : adam_slots(options.adam));
  }
  return slots;
}

}  // namespace

at::Tensor newton_schulz(const at::Tensor& matrix, int steps) {
  const bool is_tall = matrix.size(0) > matrix.size(1);  // X X^T is then the smaller product.
  at::Tensor x = (is_tall ? matrix.t() : matrix).contiguous();
  x = x / x.norm().clamp_min(kLeastNorm);
  for (int i = 0; i < steps; ++i) {
    const at::Tensor a = at::mm(x, x.t());
    const at::Tensor b = at::addmm(a, a, a, kB, kC);
    x = at::addmm(x, b, x, kA, 1);
  }
  return is_tall ? x.t() : x;
}

Muon::Muon(std::vector<at::Tensor> parameters, std::vector<bool> orthogonal,
           const MuonOptions& options)
    : Optimizer(parameters, slots_of(parameters, orthogonal, options)),
      orthogonal_(std::move(orthogonal)),
      options_(options) {}

void Muon::update(const Update& of) {
  if (!orthogonal_[of.index]) {
    adam_update({of.parameter, of.gradient, of.slots, of.count, of.rate * options_.adam_rate,
                 options_.adam.weight_decay * of.decay_factor},
                options_.adam);
    return;
  }
  at::Tensor parameter = of.parameter, velocity = of.slots[0];
  velocity.lerp_(of.gradient, 1 - options_.momentum);
  const at::Tensor direction =
      options_.nesterov ? at::lerp(of.gradient, velocity, options_.momentum) : velocity;
  const double inputs = static_cast<double>(parameter.size(0)),
               outputs = static_cast<double>(parameter.size(1));
  const double scale = std::sqrt(std::max(1.0, outputs / inputs));
  parameter.mul_(1 - of.rate * options_.weight_decay * of.decay_factor);
  parameter.sub_(newton_schulz(direction, options_.newton_schulz_steps), of.rate * scale);
}

}  // namespace weir
