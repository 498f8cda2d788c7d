#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "weir/subnet/corpus.h"
#include "weir/subnet/evaluation.h"
#include "weir/subnet/mask_training.h"

namespace weir {

/// One search for a subnetwork.
struct FindOptions {
  std::string method = "continuous";  ///< As mask_method_of; or "largest", "random" weights.
  double share = 0.01;                ///< Of weights kept by the latter two.
  MaskTraining training;              ///< lambda +-infinity: nothing, or everything, is kept.
  int64_t batch = 32;                 ///< Rows of a batch; a step has `accumulate` of them.
  int64_t attempts = 3;               ///< With another order of rows, if the loss was not stable.
  int64_t save_every = 500;           ///< Steps
  EvaluationOptions evaluation;
};

struct FoundSubnetwork {
  std::string target;
  double lambda = 0;
  Subnetwork mask;
  std::vector<MaskTrainer::Step> log;  ///< Of the last attempt; empty if nothing was trained.
  bool stopped = false;                ///< By the stop rule, before the last step.
  bool stable = true;                  ///< is_stable of the cross-entropies
  int64_t attempt = 1;
  Evaluation held_out;

  double share() const {
    return static_cast<double>(mask.active()) / static_cast<double>(mask.size());
  }
};

/// Trains on rows of `corpus` and evaluates on `held_out` int64 [N, T]. `folder`, unless empty,
/// gets mask.safetensors, metrics.jsonl (a line a step) and, while the training runs,
/// training.safetensors, from which `resume` goes on; a finished one is read again.
FoundSubnetwork find_subnetwork(const LanguageModel& lm, const MaskSpace& space,
                                const TokenTarget& target, const std::string& target_name,
                                const Corpus& corpus, const at::Tensor& held_out,
                                const FindOptions& options,
                                const std::filesystem::path& folder = {}, bool resume = false);

/// The schedule of the paper (15,000 steps, rate 5e-5, growth 1.001) squeezed into fewer steps: as
/// far in all, and to the same beta.
MaskTraining squeezed(const MaskTraining& paper, int64_t steps);

}  // namespace weir
