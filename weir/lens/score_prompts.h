#pragma once

#include <map>
#include <string>
#include <vector>

#include "weir/lm/language_model.h"
#include "weir/tasks/prompt_set.h"

namespace weir {

struct PromptScoreOptions {
  bool whole_answer = false;  ///< Also the log-probability of all of the answer's tokens.
  int64_t batch = 64;         ///< Prompts of one forward.
  std::vector<Intervention> interventions;
};

/// What a model says to the prompts of a set, at the token before the answer. All on the CPU, [N].
struct PromptScores {
  at::Tensor log_prob;        ///< Of the answer's first token, nats
  at::Tensor rank;            ///< int64, 0: the most probable (ties count in favour)
  at::Tensor logit_diff;      ///< Answer minus wrong; undefined where a prompt has no wrong answer.
  at::Tensor top;             ///< int64, the most probable token
  at::Tensor whole_log_prob;  ///< Summed over the answer; undefined unless asked for.
};

PromptScores score_prompts(const LanguageModel& lm, const PromptSet& set,
                           const PromptScoreOptions& options = {});

}  // namespace weir
