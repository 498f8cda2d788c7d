#pragma once

#include <random>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/recall/answer_experiments.h"
#include "weir/recall/effects.h"
#include "weir/recall/head_readings.h"
#include "weir/recall/recall.h"
#include "weir/tensor/convert.h"

/// What the parts of `recall` share. Not for other rooms.
namespace weir {

/// A prompt set on a model, split by subject, with everything that one forward and the path
/// patching say about it.
struct RecallRun {
  RecallRun(const LanguageModel& model, const PromptSet& prompts, const NeutralText& text,
            const RecallOptions& chosen);

  const LanguageModel& lm;
  const PromptSet& set;
  const NeutralText& neutral;
  RecallOptions options;
  LastPosition last;
  at::Tensor answers, subjects;            ///< int64 [N] token ids
  at::Tensor subject_first, subject_last;  ///< int64 [N] positions
  std::vector<int64_t> group;              ///< Subject of each prompt.
  at::Tensor dev, test;                    ///< int64 indices of prompts
  std::vector<int64_t> dev_group, test_group;
  FinalReader reader;
  RecallEffects effects;
  HeadReadings heads;
  AnswerExperiments experiments;  ///< On the test prompts, means of the dev prompts.

  int64_t n_layers() const { return lm.config().n_layers; }
  int64_t n_heads() const { return lm.config().n_heads; }
  /// Mean over the dev or test prompts of values [.., N].
  at::Tensor dev_mean(const at::Tensor& x) const { return x.index_select(-1, dev).mean(-1); }
  at::Tensor test_mean(const at::Tensor& x) const { return x.index_select(-1, test).mean(-1); }
};

/// Heads and MLPs, chosen on the dev subjects.
void find_heads(const RecallRun& run, RecallResult& result);
void find_mlps(const RecallRun& run, RecallResult& result);
/// Curves over depth, the switch-over layer, the last block and its mitigations.
void find_depth(const RecallRun& run, RecallResult& result);
void find_last_block(const RecallRun& run, RecallResult& result);
/// Vectors that act as the relation's function, and the linear operator.
void find_functions(const RecallRun& run, RecallResult& result);
/// The claims of each step, each with its experiment.
void claim_heads(const RecallRun& run, RecallResult& result);
void claim_mlps(const RecallRun& run, RecallResult& result);
void claim_last_block(const RecallRun& run, RecallResult& result);

/// M1 of one MLP: parts are the movers that it reads, then its own layer's other heads.
MlpParts recall_parts(const RecallRun& run, const std::vector<HeadFinding>& movers, int64_t layer);
/// The parts of some prompts only.
MlpParts take_prompts(const MlpParts& parts, const at::Tensor& rows);

/// Whether the effect is on the side of `sign` and beyond the control on that side.
void judge(Claim& claim, double sign);
/// A claim about row 0 of a change, beside the mean of the other rows.
Claim claim_of(const RecallRun& run, const AnswerChange& change, double sign);

/// `count` random sets of `size` of the candidates (fewer where there are fewer).
template <typename T>
std::vector<std::vector<T>> random_sets(const std::vector<T>& candidates, size_t size,
                                        int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::vector<T>> sets;
  for (int64_t s = 0; s < count && !candidates.empty(); ++s) {
    std::vector<T> pool = candidates, set;
    while (set.size() < size && !pool.empty()) {
      const size_t at = random() % pool.size();
      set.push_back(pool[at]);
      pool.erase(pool.begin() + static_cast<int64_t>(at));
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

/// Of values [n]: whole groups (subjects) are drawn together.
inline MeanInterval interval_of(const at::Tensor& values, const std::vector<int64_t>& group,
                                uint64_t seed) {
  return bootstrap_mean(to_doubles(values), group, seed);
}

}  // namespace weir
