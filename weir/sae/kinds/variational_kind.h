#pragma once

#include "weir/sae/kinds/sae_kind.h"

namespace weir {

/// What variational kinds share (Baker and Li, arXiv 2509.22994): mu = x W_enc + b_enc (released
/// code: its ReLU) is the mean of a normal posterior over latents, with a log variance of its own
/// where that is learned. Inference takes the mean for the sample.
class VariationalSaeKind : public SaeKind {
 public:
  std::vector<SaeWeightSpec> weights(const SaeConfig& config) const override;

 protected:
  static at::Tensor mean(const Sae& sae, const at::Tensor& x);
};

}  // namespace weir
