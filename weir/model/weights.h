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
  Matrix
      W_E;  ///< Held [D, V] (its transpose is the table), so that a tied W_U is this very object.
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
  std::function<at::Tensor(at::ScalarType dtype)>
      get;  ///< A view of what is held where layouts allow.
  std::function<void(const at::Tensor&)>
      set;  ///< Shape checked; replaces the handle, not the data.
};

/// Every parameter that the model has, in forward order. The functions refer to `weights`.
std::vector<Parameter> parameters(Weights& weights, const ModelConfig& config);
/// The parameter of that name; kNotFound: the nearest names.
at::Tensor get_parameter(const Weights& weights, const ModelConfig& config, std::string_view name,
                         at::ScalarType dtype = at::kFloat);
void set_parameter(Weights& weights, const ModelConfig& config, std::string_view name,
                   const at::Tensor& value);

/// Dense copies on `device` in `dtype`; block types are dequantised.
Weights to(const Weights& weights, at::Device device, at::ScalarType dtype);
/// What a forward that computes in `dtype` needs, where the weights are: dense parameters in that
/// type. Block types stay as stored (their products are summed in float32), except for float64.
Weights for_computing_in(const Weights& weights, at::ScalarType dtype);
int64_t n_parameters(const Weights& weights, const ModelConfig& config);
int64_t n_bytes(const Weights& weights);

}  // namespace weir
