#pragma once

#include <map>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

#include "weir/sae/kinds/sae_config.h"
#include "weir/sae/kinds/sae_input.h"
#include "weir/sae/kinds/sparse_latents.h"

/// Sparse autoencoders (dictionaries): an activation x is written as few of many directions,
/// x ~ sum_j f_j W_dec[j] + b_dec. docs/methods/sae-kinds.md has the formula of each kind.
namespace weir {

/// A dictionary of any kind. Weights have SAELens' names and orientation, d = d_in, F = d_sae:
///   W_enc [d, F], b_enc [F], W_dec [F, d_out], b_dec [d_out]; threshold [F] or [] (JumpReLU, batch
///   kinds); b_gate, b_mag, r_mag [F] instead of b_enc (gated); W_skip [d_out, d];
///   W_var [d, F], b_var [F] (log variance of variational kinds); crosscoders with n sources:
///   W_enc [n, d, F], W_dec [F, n, d], b_dec [n, d]; matching pursuit: no encoder;
///   whitening_mean [d], whitening_matrix, whitening_inverse [d, d].
/// All of one floating type. Tensors may lie on a file's own bytes: never write to them in place.
struct Sae {
  SaeConfig config;
  std::map<std::string, at::Tensor> weights;

  /// kNotFound, with the names there are.
  const at::Tensor& weight(const std::string& name) const;
  /// Undefined when there is none.
  at::Tensor find(const std::string& name) const;
};

/// kInvalidArgument, in one line, for what does not fit together: an unknown kind, a missing or
/// superfluous weight, a shape, a k out of range. No weight is read.
void check_sae(const Sae& sae);
/// kCorruptData naming the first weight with an infinity or a NaN.
void check_sae_values(const Sae& sae);

/// x [..., d_in] -> latents f [..., F]. Also [..., heads, d_head] for hook_z and [..., n, d_in] for
/// crosscoders. x is taken to the type of the weights; normalisation and b_dec are applied here.
at::Tensor encode(const Sae& sae, const at::Tensor& x);
/// The same for input that is already read: `read_sae_input`.
at::Tensor encode(const Sae& sae, const SaeInput& input);

/// The latents that are not zero. The TopK family never makes [.., F] of latents (only of
/// pre-activations), and has k places a token; other kinds as many as the token with most.
SparseLatents encode_sparse(const Sae& sae, const at::Tensor& x);
SparseLatents encode_sparse(const Sae& sae, const SaeInput& input);

/// Latents [..., F] -> f W_dec + b_dec [..., d_out], in the decoder's own units: nothing
/// normalised is undone and nothing skipped is added. kInvalidArgument for crosscoders' sources
/// apart from [..., n, d].
at::Tensor decode(const Sae& sae, const at::Tensor& latents);
at::Tensor decode(const Sae& sae, const SparseLatents& latents);
/// The same in the units and the shape of the activation that was read: with `scale`, per-token
/// normalisation and heads undone, and W_skip x added.
at::Tensor decode(const Sae& sae, const at::Tensor& latents, const SaeInput& input);
at::Tensor decode(const Sae& sae, const SparseLatents& latents, const SaeInput& input);

/// decode(encode(x)): sparse where the kind is. The shape and the type of x (d_out for d_in).
at::Tensor reconstruct(const Sae& sae, const at::Tensor& x);

/// ||W_dec[j]|| [F], over all sources.
at::Tensor decoder_norms(const Sae& sae);
/// W_enc as [n d, F], W_dec as [F, n d_out] and b_dec as [n d_out], n = n_sources: views.
at::Tensor flat_encoder(const Sae& sae);
at::Tensor flat_decoder(const Sae& sae);
at::Tensor flat_decoder_bias(const Sae& sae);

}  // namespace weir
