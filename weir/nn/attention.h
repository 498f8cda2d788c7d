#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace weir {

/// Which keys a query may see. Query i of T stands at index `first_query` + i among S keys.
/// Letters: B batch, T queries, S keys, H heads.
struct AttentionMask {
  int64_t first_query = 0;
  int64_t window = 0;    ///< Keys visible, the query's own included; 0: all before it.
  at::Tensor real_keys;  ///< bool [B, S], false for pads; undefined: all real.
  /// int64 [B, T], the document that each position belongs to, never falling along a row: a query
  /// sees keys of its own document only. Undefined: one document a row. Only with T = S.
  at::Tensor segments;
};

/// In all of these, half types on the CPU are computed in float32 and rounded once, at the end.

/// Scores [B, H, T, S] with hidden entries at -inf. q: [B, T, H, K]; k: [B, S, G, K], heads in
/// groups of H / G share a key head. `slopes` [H] adds slope * (key - query) (ALiBi), or undefined.
struct ScoreOptions {
  double scale = 1;
  double softcap = 0;  ///< cap * tanh(scores / cap) before masking; 0: none.
  at::Tensor slopes;
};
at::Tensor attention_scores(const at::Tensor& q, const at::Tensor& k, const ScoreOptions& options,
                            const AttentionMask& mask);

/// Softmax over keys; a query that sees nothing (a pad) gets zeros, not NaN.
at::Tensor attention_pattern(const at::Tensor& scores);

/// z [B, T, H, K] from pattern [B, H, T, S] and v [B, S, G, K].
at::Tensor attention_mix(const at::Tensor& pattern, const at::Tensor& v);

/// z [B, T, H, K] straight from q, k and v: what attention_mix(attention_pattern(attention_scores(
/// ...)), v) gives up to rounding, without holding the [T, S] maps or repeating grouped keys. In
/// float32 on the CPU also with gradients: backward makes the maps anew, a block of queries at a
/// time. Elsewhere (float64, a GPU, pads not on the left) it is exactly that composition, and
/// second derivatives always go through it.
at::Tensor attention_values(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const ScoreOptions& options, const AttentionMask& mask);

/// ALiBi slopes [H]: powers of 2^(-8/n) for the largest power of two n <= H, then every second
/// one of the next (Press et al. 2021).
at::Tensor alibi_slopes(int64_t n_heads);

}  // namespace weir
