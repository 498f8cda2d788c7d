#include "weir/sae/kinds/sae_kind.h"

#include <cmath>
#include <utility>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"
#include "weir/tensor/half_precision.h"

namespace weir {

const SaeKind& standard_sae_kind();
const SaeKind& gated_sae_kind();
const SaeKind& jump_relu_sae_kind();
const SaeKind& top_k_sae_kind();
const SaeKind& abs_top_k_sae_kind();
const SaeKind& batch_top_k_sae_kind();
const SaeKind& group_max_sae_kind();
const SaeKind& matching_pursuit_sae_kind();
const SaeKind& vsae_top_k_sae_kind();
const SaeKind& vsae_iso_sae_kind();
const SaeKind& vsae_jump_relu_sae_kind();
const SaeKind& vsae_gated_sae_kind();
const SaeKind& vsae_batch_top_k_sae_kind();
const SaeKind& vsae_matryoshka_sae_kind();

namespace {

using Entry = std::pair<std::string_view, const SaeKind& (*)()>;

// Kinds that differ only in training, or in where they write, choose their latents alike.
constexpr Entry kKinds[] = {
    {"standard", standard_sae_kind},
    {"gated", gated_sae_kind},
    {"jumprelu", jump_relu_sae_kind},
    {"topk", top_k_sae_kind},
    {"hierarchical_topk", top_k_sae_kind},
    {"abstopk", abs_top_k_sae_kind},
    {"batchtopk", batch_top_k_sae_kind},
    {"matryoshka_batchtopk", batch_top_k_sae_kind},
    {"groupmax", group_max_sae_kind},
    {"transcoder", standard_sae_kind},
    {"skip_transcoder", standard_sae_kind},
    {"jumprelu_transcoder", jump_relu_sae_kind},
    {"jumprelu_skip_transcoder", jump_relu_sae_kind},
    {"crosscoder", standard_sae_kind},
    {"matching_pursuit", matching_pursuit_sae_kind},
    {"vsae_topk", vsae_top_k_sae_kind},
    {"vsae_iso", vsae_iso_sae_kind},
    {"vsae_jumprelu", vsae_jump_relu_sae_kind},
    {"vsae_gated", vsae_gated_sae_kind},
    {"vsae_batchtopk", vsae_batch_top_k_sae_kind},
    {"vsae_matryoshka", vsae_matryoshka_sae_kind},
};

std::vector<int64_t> per_source(const SaeConfig& config, std::vector<int64_t> shape, size_t place) {
  if (config.n_sources > 1) {
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(place), config.n_sources);
  }
  return shape;
}

}  // namespace

std::vector<SaeWeightSpec> SaeKind::weights(const SaeConfig& c) const {
  return {{"W_enc", per_source(c, {c.d_in, c.d_sae}, 0)},
          {"b_enc", {c.d_sae}},
          {"W_dec", per_source(c, {c.d_sae, c.d_out}, 1)},
          {"b_dec", per_source(c, {c.d_out}, 0)}};
}

SparseLatents SaeKind::encode_sparse(const Sae& sae, const at::Tensor& x) const {
  return to_sparse(encode(sae, x));
}

const SaeKind& find_sae_kind(std::string_view name) {
  for (const auto& [known, kind] : kKinds) {
    if (known == name) return kind();
  }
  fail(ErrorCode::kNotFound, "unknown kind of dictionary \"{}\"{}; known: {}", name,
       did_you_mean(name, sae_kinds()), fmt::join(sae_kinds(), ", "));
}

std::vector<std::string> sae_kinds() {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kKinds) names.emplace_back(name);
  return names;
}

at::Tensor pre_activations(const Sae& sae, const at::Tensor& x) {
  const at::Tensor encoder = flat_encoder(sae);
  if (needs_widening(x)) return product(x, encoder) + sae.weight("b_enc");
  return at::addmm(sae.weight("b_enc"), x, encoder);
}

int64_t whole_k(const SaeConfig& config) {
  require(config.k == std::floor(config.k) && config.k >= 1 &&
              config.k <= static_cast<double>(config.d_sae),
          "k of a {} dictionary is {}; expected a whole number from 1 to its {} latents",
          config.kind, config.k, config.d_sae);
  return static_cast<int64_t>(config.k);
}

}  // namespace weir
