#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/kinds/sae_kind.h"

namespace weir {
namespace {

// Bussmann et al. 2024 (arXiv 2412.06410): training keeps the k N largest ReLU(pre) of a batch of N
// tokens; afterwards one threshold, estimated while training, takes their place, so that a token
// does not depend on its neighbours. Matryoshka (arXiv 2503.17547) chooses alike.
class BatchTopKKind : public SaeKind {
 public:
  std::vector<SaeWeightSpec> weights(const SaeConfig& config) const override {
    std::vector<SaeWeightSpec> specs = SaeKind::weights(config);
    specs.push_back({"threshold", {config.d_sae}, /*optional=*/true});
    return specs;
  }

  void check(const SaeConfig& config) const override {
    require(config.k > 0 && config.k <= static_cast<double>(config.d_sae),
            "k of a {} dictionary is {}; expected a number above 0, at most its {} latents",
            config.kind, config.k, config.d_sae);
  }
  bool competes() const override { return true; }
  bool can_rescale() const override { return true; }

  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    const at::Tensor threshold = sae.find("threshold");
    require(threshold.defined(),
            "this {} dictionary has no threshold yet: training estimates it; without it the "
            "latents of a token depend on the other tokens",
            sae.config.kind);
    at::Tensor f = pre_activations(sae, x).relu();
    if (sae.config.rescale_acts_by_decoder_norm) f = f * decoder_norms(sae);
    return f * (f > threshold);
  }
};

}  // namespace

const SaeKind& batch_top_k_sae_kind() {
  static const BatchTopKKind kind;
  return kind;
}

}  // namespace weir
