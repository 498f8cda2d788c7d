#pragma once

#include <map>
#include <string>
#include <vector>

#include "weir/lm/language_model.h"
#include "weir/tasks/prompt_set.h"

namespace weir {

struct ScoreOptions {
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
                           const ScoreOptions& options = {});

/// A mean with its bootstrap interval: percentiles 2.5 and 97.5 of the means of 2,000 resamples of
/// the values, drawn with a fixed seed. NaN for no values.
struct MeanInterval {
  double mean = 0, low = 0, high = 0;
  int64_t n = 0;
};
MeanInterval bootstrap_mean(const std::vector<double>& values);
/// Whole clusters (the prompts of a subject) are drawn together: prompts that share a subject are
/// not independent.
MeanInterval bootstrap_mean(const std::vector<double>& values, const std::vector<int64_t>& cluster);

}  // namespace weir
