#include <ATen/ATen.h>

#include "weir/sae/kinds/sae_kind.h"

namespace weir {
namespace {

// Rajamanoharan et al. 2024 (arXiv 2407.14435): f = ReLU(pre) where pre > threshold, else 0.
class JumpReluKind : public SaeKind {
 public:
  std::vector<SaeWeightSpec> weights(const SaeConfig& config) const override {
    std::vector<SaeWeightSpec> specs = SaeKind::weights(config);
    specs.push_back({"threshold", {config.d_sae}});
    return specs;
  }

  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    const at::Tensor f = pre_activations(sae, x).relu();
    return f * (f > sae.weight("threshold"));
  }
};

}  // namespace

const SaeKind& jump_relu_sae_kind() {
  static const JumpReluKind kind;
  return kind;
}

}  // namespace weir
