#pragma once

#include "weir/train/optimizer.h"

namespace weir {

/// Steps by the sign of the gradient, schedule-free (2405.15682 around signSGD, as sparsify trains
/// dictionaries): the parameter is y, the slot z, t counts from 1,
///
///   x = y + (1 - 1/m)(z - y),  z -= rate sign(g),  x += (z - x) / t,  y = x + (1 - m)(z - x)
///
/// for a rate that does not change (the average weighs every step alike).
class Signum final : public Optimizer {
 public:
  Signum(std::vector<at::Tensor> parameters, double momentum = 0.95);

  /// x, the average that is to be used: of each parameter.
  std::vector<at::Tensor> averages() const;

 private:
  void update(const Update& update) override;
  std::vector<at::Tensor> parameters_;
  double momentum_;
};

}  // namespace weir
