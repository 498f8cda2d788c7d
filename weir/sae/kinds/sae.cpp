#include "weir/sae/kinds/sae.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/kinds/sae_kind.h"
#include "weir/tensor/half_precision.h"

namespace weir {
namespace {

// [..., n] as [N, n].
at::Tensor as_rows(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

// Rows [N, n] as [..., n] of the leading shape that `like` has.
at::Tensor as_shaped(const at::Tensor& rows, const at::Tensor& like) {
  std::vector<int64_t> shape = like.sizes().vec();
  shape.back() = rows.size(-1);
  return rows.view(shape);
}

at::Tensor with_bias(const Sae& sae, const at::Tensor& decoded) {
  return find_sae_kind(sae.config.kind).adds_b_dec(sae.config) ? decoded + flat_decoder_bias(sae)
                                                               : decoded;
}

}  // namespace

const at::Tensor& Sae::weight(const std::string& name) const {
  const auto found = weights.find(name);
  if (found != weights.end()) return found->second;
  std::string names;
  for (const auto& [known, tensor] : weights) names += (names.empty() ? "" : ", ") + known;
  fail(ErrorCode::kNotFound, "a dictionary of kind {} has no weight {}; it has {}", config.kind,
       name, names);
}

at::Tensor Sae::find(const std::string& name) const {
  const auto found = weights.find(name);
  return found == weights.end() ? at::Tensor() : found->second;
}

at::Tensor encode(const Sae& sae, const SaeInput& input) {
  const at::Tensor rows = as_rows(input.x);
  return as_shaped(find_sae_kind(sae.config.kind).encode(sae, rows), input.x);
}

at::Tensor encode(const Sae& sae, const at::Tensor& x) {
  return encode(sae, read_sae_input(sae, x));
}

SparseLatents encode_sparse(const Sae& sae, const SaeInput& input) {
  const auto found = find_sae_kind(sae.config.kind).encode_sparse(sae, as_rows(input.x));
  return {as_shaped(found.indices, input.x), as_shaped(found.values, input.x)};
}

SparseLatents encode_sparse(const Sae& sae, const at::Tensor& x) {
  return encode_sparse(sae, read_sae_input(sae, x));
}

at::Tensor decode(const Sae& sae, const at::Tensor& latents) {
  require(latents.dim() > 0 && latents.size(-1) == sae.config.d_sae,
          "a dictionary of {} latents cannot decode {} of them", sae.config.d_sae,
          latents.dim() > 0 ? latents.size(-1) : 0);
  at::Tensor f = as_rows(latents);
  if (sae.config.rescale_acts_by_decoder_norm) f = f / decoder_norms(sae);
  return as_shaped(with_bias(sae, product(f, flat_decoder(sae))), latents);
}

at::Tensor decode(const Sae& sae, const SparseLatents& latents) {
  SparseLatents f = latents;
  if (sae.config.rescale_acts_by_decoder_norm) {
    f.values = f.values / decoder_norms(sae).index({f.indices});
  }
  return with_bias(sae, weighted_rows(f, flat_decoder(sae)));
}

at::Tensor decode(const Sae& sae, const at::Tensor& latents, const SaeInput& input) {
  return restore_sae_output(sae, decode(sae, latents), input);
}

at::Tensor decode(const Sae& sae, const SparseLatents& latents, const SaeInput& input) {
  return restore_sae_output(sae, decode(sae, latents), input);
}

at::Tensor reconstruct(const Sae& sae, const at::Tensor& x) {
  const SaeInput input = read_sae_input(sae, x);
  return find_sae_kind(sae.config.kind).is_sparse() ? decode(sae, encode_sparse(sae, input), input)
                                                    : decode(sae, encode(sae, input), input);
}

at::Tensor decoder_norms(const Sae& sae) { return flat_decoder(sae).norm(2, 1); }

at::Tensor flat_encoder(const Sae& sae) {
  const at::Tensor& w = sae.weight("W_enc");
  return w.dim() == 3 ? w.flatten(0, 1) : w;
}
at::Tensor flat_decoder(const Sae& sae) { return sae.weight("W_dec").flatten(1); }
at::Tensor flat_decoder_bias(const Sae& sae) { return sae.weight("b_dec").flatten(); }

}  // namespace weir
