#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/kinds/sae_kind.h"
#include "weir/tensor/half_precision.h"

namespace weir {
namespace {

// Costa et al. 2025 (arXiv 2506.05239): no encoder. Again and again the row of W_dec that fits the
// rest best is added with its coefficient and taken off the rest.
class MatchingPursuitKind : public SaeKind {
 public:
  std::vector<SaeWeightSpec> weights(const SaeConfig& config) const override {
    return {{"W_dec", {config.d_sae, config.d_out}}, {"b_dec", {config.d_out}}};
  }

  void check(const SaeConfig& config) const override {
    require(config.d_in == config.d_out && config.n_sources == 1,
            "matching pursuit reads with its decoder: d_in {} must be d_out {}", config.d_in,
            config.d_out);
    const MatchingPursuitConfig& pursuit = config.matching_pursuit;
    require(pursuit.residual_threshold >= 0 && pursuit.max_iterations >= 0,
            "matching pursuit needs residual_threshold and max_iterations of at least 0");
  }
  bool competes() const override { return true; }
  // The decoder is the encoder too: a b_dec that is not subtracted is not added.
  bool adds_b_dec(const SaeConfig& config) const override { return config.apply_b_dec_to_input; }

  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    const MatchingPursuitConfig& pursuit = sae.config.matching_pursuit;
    const at::Tensor& rows = sae.weight("W_dec");
    at::Tensor rest = x, f = at::zeros({x.size(0), sae.config.d_sae}, x.options());
    at::Tensor done = at::zeros({x.size(0)}, x.options().dtype(at::kBool));
    at::Tensor support = f != 0;
    const int64_t steps = pursuit.max_iterations > 0 ? pursuit.max_iterations : sae.config.d_in;
    for (int64_t i = 0; i < steps; ++i) {
      const at::Tensor best = product(rest.detach(), rows.detach().t()).argmax(-1);
      const at::Tensor row = rows.index({best});
      const at::Tensor value = (rest * row).sum(-1).relu() * done.logical_not();
      f = f.scatter_add(1, best.unsqueeze(1), value.unsqueeze(1));
      rest = rest - value.unsqueeze(1) * row;
      if (pursuit.stop_on_same_support) {
        const at::Tensor now = f.detach() != 0;
        done = done | (now == support).all(1);
        support = now;
      }
      if (pursuit.residual_threshold > 0) {
        done = done | (rest.detach().norm(2, -1) < pursuit.residual_threshold);
      }
      if (done.all().item<bool>()) break;
    }
    return f;
  }
};

}  // namespace

const SaeKind& matching_pursuit_sae_kind() {
  static const MatchingPursuitKind kind;
  return kind;
}

}  // namespace weir
