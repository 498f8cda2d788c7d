#include <ATen/ATen.h>

#include "weir/sae/kinds/variational_kind.h"

namespace weir {
namespace {

// Variational kinds beside VSAETopK, as released.

// Every latent is kept.
class VsaeIsoKind final : public VariationalSaeKind {
 public:
  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override { return mean(sae, x); }
};

// A hard gate on the mean.
class VsaeJumpReluKind final : public VariationalSaeKind {
 public:
  std::vector<SaeWeightSpec> weights(const SaeConfig& config) const override {
    std::vector<SaeWeightSpec> specs = VariationalSaeKind::weights(config);
    specs.push_back({"threshold", {config.d_sae}});
    return specs;
  }
  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    const at::Tensor pre = pre_activations(sae, x);
    return pre * (pre > sae.weight("threshold")).to(pre.scalar_type());
  }
};

// A gate as gated dictionaries have it, over a mean that keeps its sign.
class VsaeGatedKind final : public VariationalSaeKind {
 public:
  std::vector<SaeWeightSpec> weights(const SaeConfig& config) const override {
    std::vector<SaeWeightSpec> specs = VariationalSaeKind::weights(config);
    for (const char* name : {"b_gate", "b_mag", "r_mag"}) specs.push_back({name, {config.d_sae}});
    return specs;
  }
  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    const at::Tensor pre = pre_activations(sae, x);
    const at::Tensor open = pre + sae.weight("b_gate") > 0;
    return open.to(pre.scalar_type()) * (sae.weight("r_mag").exp() * pre + sae.weight("b_mag"));
  }
};

// The k highest |mean| of a token on average: those of the whole batch, k for each of its tokens.
class VsaeBatchTopKKind final : public VariationalSaeKind {
 public:
  explicit VsaeBatchTopKKind(bool by_size) : by_size_(by_size) {}

  bool competes() const override { return true; }
  at::Tensor encode(const Sae& sae, const at::Tensor& x) const override {
    const at::Tensor mu = by_size_ ? mean(sae, x) : mean(sae, x).relu();
    const at::Tensor score = mu.abs().flatten();
    const auto n = static_cast<int64_t>(sae.config.k * static_cast<double>(mu.size(0)));
    const at::Tensor ids = std::get<1>(score.topk(n, 0, true, false));
    return at::zeros_like(mu).flatten().index_copy(0, ids, mu.flatten().index({ids})).view_as(mu);
  }

 private:
  bool by_size_;
};

}  // namespace

const SaeKind& vsae_iso_sae_kind() {
  static const VsaeIsoKind kind;
  return kind;
}
const SaeKind& vsae_jump_relu_sae_kind() {
  static const VsaeJumpReluKind kind;
  return kind;
}
const SaeKind& vsae_gated_sae_kind() {
  static const VsaeGatedKind kind;
  return kind;
}
const SaeKind& vsae_batch_top_k_sae_kind() {
  static const VsaeBatchTopKKind kind(true);
  return kind;
}
const SaeKind& vsae_matryoshka_sae_kind() {
  static const VsaeBatchTopKKind kind(false);
  return kind;
}

}  // namespace weir
