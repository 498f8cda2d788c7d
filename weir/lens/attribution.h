#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

namespace weir {

/// What the logits are attributed for: <direction> of the answer, answer minus wrong where `wrong`
/// is defined, or answer minus the mean over the vocabulary (pi of 2403.19521, §1.4 of its data).
struct AttributionTarget {
  at::Tensor answer;  ///< int64 [B]
  at::Tensor wrong;   ///< int64 [B] or undefined
  bool is_centred = false;
};
struct AttributionOptions {
  bool neurons = false, sources = false;  ///< Also by neuron, and by head and source token.
  std::vector<Intervention> interventions;
};

/// Direct logit attribution at the last position (Elhage et al. 2021; TransformerLens's
/// logit_attrs): what each part that was added to the stream adds to the target's logit, through
/// the final norm with the true scale of the run. B rows, T positions, L layers, H heads, M
/// neurons. Each form sums to `total`, the logit before any soft cap:
///   layer: embed + pos_embed + sum(attn) + sum(mlp) + constant
///   head: attn = sum over heads + b_O;  neuron: mlp = sum over neurons + b_out
///   source: head = sum over source tokens (b_V inside)
/// Of models that norm what modules write (Gemma 2), parts carry that norm's gain and true scale.
struct Attribution {
  at::Tensor embed, pos_embed, constant, total;  ///< [B]
  at::Tensor attn, mlp;                          ///< [L, B], biases inside
  at::Tensor head;                               ///< [L, H, B]
  at::Tensor b_O, b_out;                         ///< [L, B]
  at::Tensor neuron;                             ///< [L, M, B] or undefined
  at::Tensor source;                             ///< [L, H, T, B] or undefined
  at::Tensor
      accumulated;  ///< [L + 1, B]: the stream entering block 0 and leaving each, plus constant
};

/// kUnsupported for models whose blocks norm the stream itself (OPT-350m, BLOOM's post-norm
/// residual): their parts are not added to one stream.
Attribution attribute(const LanguageModel& lm, const TokenBatch& batch,
                      const AttributionTarget& target, const AttributionOptions& options = {});

/// The linear reading of the last stream for the targets: direction [B, D], so that a part c adds
/// <c, direction> / final scale, and what the biases add [B].
struct LogitDirection {
  at::Tensor direction, constant;
};
LogitDirection logit_direction(const LanguageModel& lm, const AttributionTarget& target);

/// Mean over the vocabulary of W_U's columns [D], float64 sums.
at::Tensor mean_unembedding(const LanguageModel& lm);

}  // namespace weir
