#include "weir/sae/kinds/variational_kind.h"

#include <ATen/ATen.h>

namespace weir {

std::vector<SaeWeightSpec> VariationalSaeKind::weights(const SaeConfig& config) const {
  std::vector<SaeWeightSpec> specs = SaeKind::weights(config);
  const bool learned = config.variational.variance == VariationalSaeConfig::Variance::kLearned;
  specs.push_back({"W_var", {config.d_in, config.d_sae}, !learned});
  specs.push_back({"b_var", {config.d_sae}, !learned});
  return specs;
}

at::Tensor VariationalSaeKind::mean(const Sae& sae, const at::Tensor& x) {
  const at::Tensor pre = pre_activations(sae, x);
  return sae.config.variational.relu_mu ? pre.relu() : pre;
}

}  // namespace weir
