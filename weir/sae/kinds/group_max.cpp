#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/kinds/sae_kind.h"

namespace weir {
namespace {

// EleutherAI sparsify: the latents in k groups of neighbours, the largest of each group fires
// (if it is positive).
class GroupMaxKind : public SaeKind {
 public:
  void check(const SaeConfig& config) const override {
    const int64_t k = whole_k(config);
    require(config.d_sae % k == 0,
            "groupmax needs equal groups: {} latents do not divide by k = {}", config.d_sae, k);
  }
  bool is_sparse() const override { return true; }
  bool competes() const override { return true; }

  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    return to_dense(encode_sparse(sae, x), sae.config.d_sae);
  }

  SparseLatents encode_sparse(const Sae& sae, const at::Tensor& x) const override {
    const int64_t k = whole_k(sae.config), size = sae.config.d_sae / k;
    auto [values, place] = pre_activations(sae, x).view({-1, k, size}).max(-1);
    const at::Tensor first = at::arange(k, place.options()) * size;
    return {place + first, values.relu()};
  }
};

}  // namespace

const SaeKind& group_max_sae_kind() {
  static const GroupMaxKind kind;
  return kind;
}

}  // namespace weir
