#include <ATen/ATen.h>

#include "weir/sae/kinds/sae_kind.h"

namespace weir {
namespace {

using SelectOn = VariationalSaeConfig::SelectOn;

// Baker and Li 2025 (arXiv 2509.22994): mu = x W_enc + b_enc (released code: its ReLU) is the mean
// of a normal posterior over latents; k of them are kept. Inference takes the mean for the sample.
class VsaeTopKKind : public SaeKind {
 public:
  std::vector<SaeWeightSpec> weights(const SaeConfig& config) const override {
    std::vector<SaeWeightSpec> specs = SaeKind::weights(config);
    const bool learned = config.variational.variance == VariationalSaeConfig::Variance::kLearned;
    specs.push_back({"W_var", {config.d_in, config.d_sae}, !learned});
    specs.push_back({"b_var", {config.d_sae}, !learned});
    return specs;
  }

  void check(const SaeConfig& config) const override { whole_k(config); }
  bool is_sparse() const override { return true; }
  bool competes() const override { return true; }

  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    return to_dense(encode_sparse(sae, x), sae.config.d_sae);
  }

  SparseLatents encode_sparse(const Sae& sae, const at::Tensor& x) const override {
    const VariationalSaeConfig& how = sae.config.variational;
    at::Tensor mu = pre_activations(sae, x);
    if (how.relu_mu) mu = mu.relu();
    const at::Tensor score = how.select_on == SelectOn::kAbsZ ? mu.abs() : mu;
    const at::Tensor indices = std::get<1>(score.topk(whole_k(sae.config), -1, true, false));
    return {indices, mu.gather(-1, indices)};
  }
};

}  // namespace

const SaeKind& vsae_top_k_sae_kind() {
  static const VsaeTopKKind kind;
  return kind;
}

}  // namespace weir
