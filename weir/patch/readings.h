#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/tasks/prompt_set.h"

/// What an experiment is judged by: one number a prompt from the logits at its last position.
namespace weir {

enum class Reading {
  kLogitDiff,  ///< Answer minus wrong answer
  kLogProb,    ///< Of the answer, nats
  kProb,
  kRank,    ///< Of the answer; 0: the most probable. Not differentiable
  kKl,      ///< KL(clean run || this), nats
  kPi,      ///< The answer's logit minus the mean over the vocabulary (2403.19521)
  kVector,  ///< Product of the logits with a vector of one's own
};
Reading reading_of(const std::string& name);  ///< logit_diff, logprob, prob, rank, kl, pi, vector
std::string reading_name(Reading reading);

/// What the readings refer to; only what a reading needs must be there.
struct ReadingTargets {
  at::Tensor answer, wrong;  ///< int64 [B]
  at::Tensor clean_logits;   ///< [B, V]
  at::Tensor vector;         ///< [V]
};
ReadingTargets targets_of(const PromptSet& set);

/// [..., B] of logits [..., B, V]; differentiable but for kRank. kInvalidArgument names a target
/// that is missing.
at::Tensor read(Reading reading, const at::Tensor& logits, const ReadingTargets& targets);

/// The same of kPi alone: logits [.., V] at the ids [..].
at::Tensor centred_logit(const at::Tensor& logits, const at::Tensor& ids);

/// (mean patched - mean base) / (mean goal - mean base), the means over prompts (the last axis)
/// taken first: 0 nothing restored, 1 all.
at::Tensor normalised_effect(const at::Tensor& patched, const at::Tensor& base,
                             const at::Tensor& goal);

}  // namespace weir
