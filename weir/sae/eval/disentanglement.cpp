#include "weir/sae/eval/disentanglement.h"

#include <ATen/ATen.h>

namespace weir {

at::Tensor interchange(const at::Tensor& base, const at::Tensor& source, const at::Tensor& mask) {
  return (1 - mask) * base + mask * source;
}

at::Tensor soft_mask(const at::Tensor& mask, double temperature) {
  return at::sigmoid(mask / temperature);
}

at::Tensor hard_mask(const at::Tensor& mask) { return (mask > 0).to(mask.scalar_type()); }

DisentanglementScores disentanglement(const at::Tensor& predicted, const at::Tensor& source,
                                      const at::Tensor& base) {
  const at::Tensor keeps = source == base;
  const auto count = [](const at::Tensor& where) { return where.sum().item<int64_t>(); };
  DisentanglementScores scores;
  scores.n_isolation = count(keeps);
  scores.n_cause = count(~keeps);
  const auto share = [](int64_t part, int64_t all) {
    return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all);
  };
  scores.cause = share(count((predicted == source) & ~keeps), scores.n_cause);
  scores.isolation = share(count((predicted == base) & keeps), scores.n_isolation);
  return scores;
}

}  // namespace weir
