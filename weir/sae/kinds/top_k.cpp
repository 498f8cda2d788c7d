#include <ATen/ATen.h>

#include "weir/sae/kinds/sae_kind.h"

namespace weir {
namespace {

// Gao et al. 2024 (arXiv 2406.04093): the k largest ReLU(pre) of a token. HierarchicalTopK
// (arXiv 2505.24473) trains every budget up to k at once and chooses alike. AbsTopK takes the k
// largest |pre| and keeps their signs.
class TopKKind : public SaeKind {
 public:
  explicit TopKKind(bool absolute) : absolute_(absolute) {}

  void check(const SaeConfig& config) const override { whole_k(config); }
  bool is_sparse() const override { return true; }
  bool competes() const override { return true; }
  bool can_rescale() const override { return true; }

  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    return to_dense(encode_sparse(sae, x), sae.config.d_sae);
  }

  SparseLatents encode_sparse(const Sae& sae, const at::Tensor& x) const override {
    at::Tensor pre = pre_activations(sae, x);
    if (sae.config.rescale_acts_by_decoder_norm) pre = pre * decoder_norms(sae);
    const at::Tensor size = absolute_ ? pre.abs() : pre;
    auto [values, indices] = size.topk(whole_k(sae.config), -1, true, /*sorted=*/false);
    return {indices, absolute_ ? pre.gather(-1, indices) : values.relu()};
  }

 private:
  bool absolute_;
};

}  // namespace

const SaeKind& top_k_sae_kind() {
  static const TopKKind kind(false);
  return kind;
}

const SaeKind& abs_top_k_sae_kind() {
  static const TopKKind kind(true);
  return kind;
}

}  // namespace weir
