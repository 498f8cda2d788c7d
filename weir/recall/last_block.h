#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/recall/final_reader.h"
#include "weir/recall/last_position.h"

/// What the last block does to the right answer (2403.19521, "anti-overconfidence"). "Own": each
/// stream read with its own statistics of the final norm; "frozen": with those of the real last
/// stream, so that parts add up.
namespace weir {

/// Two average directions of the unembedding.
struct AverageTokens {
  at::Tensor u_mean;  ///< [D] mean over the vocabulary of raw W_U columns
  at::Tensor u_freq;  ///< [D] their mean weighted with the token frequencies
};
/// `unigram` [V]: probabilities of tokens.
AverageTokens average_tokens(const FinalReader& reader, const at::Tensor& unigram);

/// A part of the last block beside the average tokens.
struct ComponentReading {
  std::string name;  ///< "mlp_out", "b", "head3"
  double cos_u_mean = 0, cos_u_freq = 0;
  double spearman = 0;  ///< Of its logits (mean over prompts) with log frequency.
};

struct LastBlock {
  at::Tensor attn_own, mlp_own;         ///< [N] change of the answer's pi
  at::Tensor attn_frozen, mlp_frozen;   ///< [N]
  at::Tensor head_dla;                  ///< [N, H] frozen; with b_O's share they sum to attn_frozen
  std::vector<int64_t> negative_heads;  ///< Mean over prompts below 0.
  AverageTokens average;
  std::vector<ComponentReading> components;
  at::Tensor mlp_cos_u_mean, mlp_cos_u_freq;  ///< [N] of each prompt's MLP output
  at::Tensor attention_to_first;              ///< [N, H] to the first token
};
/// `b`: the intercept of the last MLP (PartsFit); `unigram` [V] > 0.
LastBlock last_block(const LastPosition& last, const at::Tensor& answers, const at::Tensor& b,
                     const at::Tensor& unigram);

/// The neurons of the last MLP by what they write (Stolfo et al. 2024, arXiv 2406.16254). Entropy
/// neurons write with large norm where W_U reads little: rho near 1, logit_var small.
struct LastNeurons {
  at::Tensor norm;       ///< [M] of w_out
  at::Tensor logit_var;  ///< [M] variance over tokens of cos(w_out, W_U column)
  at::Tensor rho;        ///< [M] share of w_out in the `null_k` smallest left singular directions
  at::Tensor singular_values;  ///< [D] of W_U, falling
};
/// `folded`: W_U with the final gain in it, centred over D for LayerNorm (one singular value is 0).
LastNeurons last_neurons(const LanguageModel& lm, int64_t null_k, bool folded);
/// Token-frequency neurons: correlation of each neuron's logits with log frequency, [M].
at::Tensor frequency_correlation(const LanguageModel& lm, const at::Tensor& unigram);

}  // namespace weir
