#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/recall/mlp_parts.h"

/// What single heads do with the subject (2403.19521, mover heads; Elhage et al. 2021, copying).
namespace weir {

struct HeadReadings {
  at::Tensor attention;  ///< [N, L, H] from the last position to the subject's tokens, summed
  at::Tensor write;      ///< [N, L, H] <what the head writes there, W_U[:, subject]>, no b_O
  /// [L, H] correlation of the two over prompts; NaN where one does not vary.
  at::Tensor pearson;
};
/// `first`, `last` int64 [N]: the subject's tokens in the rectangle; `subject` int64 [N]: the token
/// it is read by.
HeadReadings read_heads(const LastPosition& prompts, const at::Tensor& first,
                        const at::Tensor& last, const at::Tensor& subject);

/// Whether a head, given a token's stream after block 0 (through ln1 of block 1), writes what
/// unembeds to that token among the `top` first.
struct CopyScores {
  at::Tensor positive,
      negative;  ///< [heads]: shares of tokens; negative: of what it writes times -1
};
/// `streams` [R, D]: streams after block 0, `tokens` int64 [R]. A model of one layer has no ln1 of
/// block 1: kUnsupported.
CopyScores copy_scores(const LanguageModel& lm, const std::vector<HeadId>& heads,
                       const at::Tensor& streams, const at::Tensor& tokens, int64_t top = 5);

/// Sum of Re(lambda) / sum of |lambda|, [L, H]: `ov` of W_O W_V, `full` of the circuit from tokens
/// to tokens, W_O (centred W_U with the final gain) W_E (W_V with ln1's gain), without positions.
struct EigenPositivity {
  at::Tensor ov, full;
};
EigenPositivity eigen_positivity(const LanguageModel& lm);

}  // namespace weir
