#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

/// Two simpler accounts of a relation, for comparison: a linear map from the subject's state to the
/// last stream (LRE: Hernandez et al. 2023, arXiv 2308.09124), and one vector added by an MLP
/// (Merullo et al. 2023, arXiv 2305.16130).
namespace weir {

/// States of N prompts that a linear relation connects.
struct RelationStates {
  at::Tensor subject;  ///< [N, D] stream after block `layer` at the subject's last token
  at::Tensor output;   ///< [N, D] last stream (before the final norm) at the last position
};
RelationStates relation_states(const LanguageModel& lm, const TokenBatch& prompts,
                               const at::Tensor& positions, int64_t layer);
/// The last stream [N, D] when the subject's state is `subject` [N, D] instead.
at::Tensor run_with_subject(const LanguageModel& lm, const TokenBatch& prompts,
                            const at::Tensor& positions, int64_t layer, const at::Tensor& subject);

struct RelationOperator {
  int64_t layer = 0;
  at::Tensor jacobians;  ///< [N, D, D] d output / d subject of each prompt
  at::Tensor W;          ///< [D, D] their mean: o = beta W s + b
  at::Tensor b;          ///< [D] mean of o - J s
};
/// Fitted on few prompts: each costs D rows of a forward from `layer` on and back.
RelationOperator fit_relation(const LanguageModel& lm, const TokenBatch& prompts,
                              const at::Tensor& positions, int64_t layer);
/// Logits [N, V] of beta W s + b.
at::Tensor predict(const LanguageModel& lm, const RelationOperator& relation,
                   const at::Tensor& subject, double beta);
/// What to add to the subject's states so that the last streams move by `change` [N, D]: through
/// the pseudo-inverse of W of that rank. W is singular (norms and grouped heads remove directions),
/// so the rank has to be stated.
at::Tensor edit_subject(const RelationOperator& relation, const at::Tensor& change, int64_t rank);

/// 1 / (1 + rank) of tokens [N] in what streams [L, N, D] unembed to, [L, N].
at::Tensor reciprocal_ranks(const LanguageModel& lm, const at::Tensor& streams,
                            const at::Tensor& tokens);

}  // namespace weir
