#include <ATen/ATen.h>

#include "weir/sae/kinds/sae_kind.h"

namespace weir {
namespace {

// f = ReLU(x W_enc + b_enc). Also transcoders, whose target is another place, and crosscoders
// (Lindsey et al. 2024), whose x is several activations side by side.
class StandardKind : public SaeKind {
 public:
  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    return pre_activations(sae, x).relu();
  }
};

}  // namespace

const SaeKind& standard_sae_kind() {
  static const StandardKind kind;
  return kind;
}

}  // namespace weir
