#pragma once

#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/model/config.h"
#include "weir/tensor/matrix.h"

/// The parameters of a model as a struct of handles. Copying a Weights copies handles, so an
/// overlay for one call is a copy with some entries replaced. Missing parts are undefined.
/// Letters: D d_model, H heads, G key/value heads, K d_head, M d_mlp, V vocabulary.
namespace weir {

struct NormWeights {
  at::Tensor w;          ///< [n]; undefined: gain 1.
  at::Tensor b;          ///< [n]; undefined: none.
  bool present = false;  ///< A norm stands here, if only without gain.
};

struct AttentionWeights {
  Matrix W_Q;                  ///< [D, H K], head-major columns
  Matrix W_K;                  ///< [D, G K]
  Matrix W_V;                  ///< [D, G K]
  Matrix W_O;                  ///< [H K, D]
  at::Tensor b_Q, b_K, b_V;    ///< [H K], [G K], [G K]
  at::Tensor b_O;              ///< [D]
  NormWeights q_norm, k_norm;  ///< [K] or [H K]
};

struct MlpWeights {
  Matrix W_in;    ///< [D, M]; the "up" projection of a gated MLP
  Matrix W_gate;  ///< [D, M], gated only
  Matrix W_out;   ///< [M, D]
  at::Tensor b_in, b_gate, b_out;
};

struct BlockWeights {
  NormWeights ln1, ln2;            ///< Before attention and MLP (after the sum when !pre_norm).
  NormWeights ln1_post, ln2_post;  ///< On what attention and MLP write (Gemma 2, OLMo 2).
  AttentionWeights attn;
  MlpWeights mlp;
};

struct Weights {
  /// Held [D, V] (its transpose is the table), so that a tied W_U is this very object.
  Matrix W_E;
  at::Tensor W_pos;  ///< [n_ctx, D]
  NormWeights embed_norm;
  std::vector<BlockWeights> blocks;
  NormWeights ln_final;
  Matrix W_U;      ///< [D, V]
  at::Tensor b_U;  ///< [V]
};

/// One parameter under its TransformerLens name and shape: "embed.W_E" [V, D],
/// "blocks.0.attn.W_Q" [H, D, K], "blocks.0.attn.W_K" [G, D, K], "blocks.0.attn.W_O" [H, K, D],
/// "blocks.0.attn.b_Q" [H, K], "blocks.0.mlp.W_in" [D, M], "unembed.W_U" [D, V], ...
struct Parameter {
  std::string name;
  /// A view of what is held where layouts allow.
  std::function<at::Tensor(at::ScalarType dtype)> get;
  /// Shape checked; replaces the handle, not the data. Where W_U is W_E, setting one sets both: a
  /// tie stays a tie until `untie`.
  std::function<void(const at::Tensor&)> set;
  /// The tensor that the forward reads, as held ([in, out] for matrices; undefined for block
  /// types). Of a parameter from `trainable` (own.h) it is the leaf: an optimiser reads its grad()
  /// and updates it in place.
  std::function<at::Tensor()> held;
};

/// Every parameter that the model has, in forward order. The functions refer to `weights`. Lists
/// all names, some 100 us for a model of 12 layers: loops call it once, not `set_parameter` often.
std::vector<Parameter> parameters(Weights& weights, const ModelConfig& config);
/// The parameter of that name; kNotFound: the nearest names.
at::Tensor get_parameter(const Weights& weights, const ModelConfig& config, std::string_view name,
                         at::ScalarType dtype = at::kFloat);
/// Parameter::set by name: both uses of a tied table. A bias that the model lacks may be given.
void set_parameter(Weights& weights, const ModelConfig& config, std::string_view name,
                   const at::Tensor& value);
/// Gives a tied W_U a dense copy of its own, so that the two can be set apart.
void untie(Weights& weights);

/// Dense copies on `device` in `dtype`, never the memory of `weights`: they may be written to.
/// Block types are dequantised; a tied W_U stays W_E. (A model to train or to save: own.h.)
Weights to(const Weights& weights, at::Device device, at::ScalarType dtype);
/// What a forward that computes in `dtype` needs, where the weights are: dense parameters in that
/// type. Block types stay as stored (their products are summed in float32), except for float64.
Weights for_computing_in(const Weights& weights, at::ScalarType dtype);
int64_t n_parameters(const Weights& weights, const ModelConfig& config);
int64_t n_bytes(const Weights& weights);

}  // namespace weir
