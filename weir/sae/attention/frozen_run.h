#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/sae/attention/active_latents.h"

/// One prompt's run as a linear map: attention patterns, scales of norms and the sets of latents
/// that fire are held fixed, and what remains between the stream and a feature is linear. All
/// float64; T positions, D d_model, H query heads, K their width, G key heads.
namespace weir {

/// A norm at its scale of this run: y = (x - mean) / scale * gain + bias (RMSNorm: no mean).
struct FrozenNorm {
  bool is_there = false, takes_mean = false;
  at::Tensor scale;  ///< [T, 1]
  at::Tensor gain;   ///< [D]
  at::Tensor bias;   ///< [D], or undefined

  /// From a covector on y [T, D] to that on x.
  at::Tensor pull(const at::Tensor& covector) const;
  /// What the bias gives: [T].
  at::Tensor bias_part(const at::Tensor& covector) const;
};

struct FrozenBlock {
  at::Tensor stream;             ///< [T, D]: hook_resid_pre
  at::Tensor pattern;            ///< [H, T, T]
  at::Tensor values;             ///< [T, H, K]
  at::Tensor W_V;                ///< [G K, D]: rows are what a value's entry reads
  at::Tensor b_V;                ///< [H, K]
  at::Tensor W_O;                ///< [H K, D]
  at::Tensor b_O;                ///< [D]
  at::Tensor attn_out, mlp_out;  ///< [T, D]: what both add to the stream
  FrozenNorm ln1, ln2, ln1_post;
  std::optional<ActiveLatents> attention;  ///< On z; unset: what attention adds is a leaf.
  std::optional<ActiveLatents> mlp;        ///< A transcoder; unset: what the MLP adds is a leaf.
  at::Tensor written;                      ///< [n, D]: decoder rows of `attention` through W_O
};

struct FrozenRun {
  at::Tensor tokens;                ///< int64 [T]
  at::Tensor embed, pos;            ///< [T, D]; pos is undefined without learned positions
  bool is_parallel = false;         ///< The MLP reads the stream before attention.
  std::vector<FrozenBlock> blocks;  ///< 0 to the last one asked for
};

/// A dictionary for a layer: on hook_z, or a transcoder from ln2's output (gain and bias in) to
/// hook_mlp_out.
using LayerSaes = std::map<int64_t, const Sae*>;

/// Runs one row (no pads) up to block `last`. kUnsupported for models that norm the stream itself
/// (BLOOM's option, OPT-350m).
FrozenRun freeze(const LanguageModel& lm, const at::Tensor& tokens, int64_t last,
                 const LayerSaes& attention, const LayerSaes& transcoders = {});

/// A covector on z of a block, taken back through its attention.
struct AttentionPull {
  at::Tensor stream;      ///< [T, D]: on what enters the block, at sources
  at::Tensor value_bias;  ///< [H, T]: what b_V gives, at sources
  at::Tensor norm_bias;   ///< [T]: what ln1's bias gives
};
/// `z` [T, H K], at destinations.
AttentionPull pull_attention(const FrozenBlock& block, const at::Tensor& z);
/// The same for a covector [H K] at one destination: sources up to it, O(T) instead of O(T^2).
AttentionPull pull_attention(const FrozenBlock& block, const at::Tensor& z, int64_t destination);

}  // namespace weir
