#include <ATen/ATen.h>

#include "weir/sae/kinds/sae_kind.h"
#include "weir/tensor/half_precision.h"

namespace weir {
namespace {

// Rajamanoharan et al. 2024 (arXiv 2404.16014): a = x W_enc says through a + b_gate > 0 whether a
// latent fires and through ReLU(exp(r_mag) a + b_mag) how much.
class GatedKind : public SaeKind {
 public:
  std::vector<SaeWeightSpec> weights(const SaeConfig& config) const override {
    std::vector<SaeWeightSpec> specs = SaeKind::weights(config);
    specs.erase(specs.begin() + 1);  // b_enc
    for (const char* name : {"b_gate", "b_mag", "r_mag"}) specs.push_back({name, {config.d_sae}});
    return specs;
  }

  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    const at::Tensor a = product(x, flat_encoder(sae));
    const at::Tensor magnitude = (sae.weight("r_mag").exp() * a + sae.weight("b_mag")).relu();
    return magnitude * (a + sae.weight("b_gate") > 0);
  }
};

}  // namespace

const SaeKind& gated_sae_kind() {
  static const GatedKind kind;
  return kind;
}

}  // namespace weir
