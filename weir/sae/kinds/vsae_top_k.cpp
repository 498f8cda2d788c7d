#include <ATen/ATen.h>

#include "weir/sae/kinds/variational_kind.h"

namespace weir {
namespace {

using SelectOn = VariationalSaeConfig::SelectOn;

// k latents are kept.
class VsaeTopKKind final : public VariationalSaeKind {
 public:
  void check(const SaeConfig& config) const override { whole_k(config); }
  bool is_sparse() const override { return true; }
  bool competes() const override { return true; }

  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    return to_dense(encode_sparse(sae, x), sae.config.d_sae);
  }

  SparseLatents encode_sparse(const Sae& sae, const at::Tensor& x) const override {
    const at::Tensor mu = mean(sae, x);
    const at::Tensor score = sae.config.variational.select_on == SelectOn::kAbsZ ? mu.abs() : mu;
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
