#pragma once

#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weir {

/// Rotary embedding. `scaling` is Hugging Face's rope_type; the parameters that it does not use
/// stay at their defaults. Formulas: specs of Hugging Face transformers, restated in rotary.cpp.
struct RotaryConfig {
  int64_t n_dims = 0;  ///< The first n_dims of each head rotate.
  double theta = 10000;
  bool adjacent = false;  ///< Pairs (2i, 2i+1) as GPT-J; else (i, i + n_dims/2) as NeoX and Llama.
  std::string scaling = "default";  ///< default, linear, dynamic, llama3, yarn, longrope
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  ///< llama3
  double beta_fast = 32, beta_slow = 1;              ///< yarn
  bool truncate = true;                              ///< yarn
  std::optional<double> mscale, mscale_all_dim;      ///< yarn
  std::optional<double> attention_factor;            ///< yarn, longrope: multiplies cos and sin
  int64_t original_context = 0;                      ///< llama3, yarn, longrope, dynamic
  std::vector<double> short_factor, long_factor;     ///< longrope, [n_dims / 2]
  std::vector<double> frequency_factors;  ///< Divides each frequency (GGUF rope_freqs), or empty.

  /// True when the frequencies depend on the sequence length (dynamic, longrope): then the KV
  /// cache keeps unrotated keys.
  bool depends_on_length() const { return scaling == "dynamic" || scaling == "longrope"; }
  /// True when sequences of both lengths turn with the same frequencies.
  bool same_frequencies(int64_t length, int64_t other) const;
};

/// cos and sin of the angles, [..., n_dims / 2], float32, times the attention factor.
struct RotaryTables {
  at::Tensor cos, sin;
};

/// Frequencies [n_dims / 2] for a sequence of `length` positions.
std::vector<double> rotary_frequencies(const RotaryConfig& config, int64_t length);

/// `positions`: int64 [B, T] or [T]; `length`: the highest position + 1 in the sequence.
RotaryTables rotary_tables(const RotaryConfig& config, const at::Tensor& positions, int64_t length);

/// x [B, T, H, K] with the first n_dims of K rotated. Not in place.
at::Tensor rotate(const at::Tensor& x, const RotaryTables& tables, const RotaryConfig& config);

}  // namespace weir
