#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/sae/kinds/sae.h"

/// Direct feature attribution (2406.17759): which source tokens, through which heads, make a
/// feature of an attention layer's z fire. With the attention pattern A held fixed,
///
///   pre_i(D) = sum_h sum_s A_h[D, s] (v_h[s] . u_{i,h}) + constant_i,
///   u_{i,h} = W_enc[block h, i],  constant_i = b_enc_i - b_dec . W_enc[:, i]
///
/// exactly, for any norm, position embedding (rotary turns q and k, not v), biases and grouped
/// heads. B rows, T positions, H query heads, K their width, n features, D destinations, S sources.
namespace weir {

/// What one layer's attention did, in float64.
struct AttentionRun {
  at::Tensor pattern;  ///< [B, H, T, T]
  at::Tensor values;   ///< [B, T, H, K]: v, repeated for the query heads that share it
  at::Tensor z;        ///< [B, T, H K]
};
/// Stops after the layer.
AttentionRun run_attention(const LanguageModel& lm, const TokenBatch& batch, int64_t layer);

struct FeatureAttribution {
  at::Tensor by_source;  ///< [B, n, D, S]: over all heads
  at::Tensor by_head;    ///< [B, n, H, D]: over all sources
  at::Tensor constant;   ///< [n]
  at::Tensor pre;        ///< [B, n, D]: by_head over heads + constant
};
/// At every destination. Of size n T^2: for some features.
FeatureAttribution attribute_features(const AttentionRun& run, const Sae& sae,
                                      const std::vector<int64_t>& features);
/// The same by head and source at once: [B, n, H, D, S].
at::Tensor attribute_heads_and_sources(const AttentionRun& run, const Sae& sae,
                                       const std::vector<int64_t>& features);

/// Every latent that fires at every position of one row, by source and by head.
struct ActiveAttribution {
  at::Tensor features;   ///< int64 [T, K]: as encode_sparse gives them
  at::Tensor values;     ///< [T, K]: 0 where fewer fire
  at::Tensor by_source;  ///< [T, K, T]
  at::Tensor by_head;    ///< [T, K, H]
};
/// O(T (n H K + T H K_active)), n latents that fire anywhere: less than a forward.
ActiveAttribution attribute_active(const AttentionRun& run, const Sae& sae, int64_t row);

/// Share of each head in the attribution's mass, sum over sources and destinations where the
/// feature fires of |DFA|: [n, H].
at::Tensor attribution_shares(const at::Tensor& heads_and_sources, const at::Tensor& pre);

/// W_V and b_V of a layer and what LayerNorm's bias adds: z of the model as stored minus z of
/// TransformerLens' processed model (fold_ln, fold_value_biases), [H K]. A dictionary trained on
/// processed z reads raw z when its b_dec is moved by it. Zeros without biases.
at::Tensor processed_value_shift(const LanguageModel& lm, int64_t layer);
/// That dictionary.
Sae shifted_for_raw_values(const Sae& sae, const at::Tensor& shift);

}  // namespace weir
