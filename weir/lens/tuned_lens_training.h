#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "weir/lens/tuned_lens.h"
#include "weir/train/optimizer.h"

namespace weir {

struct TunedLensTraining {
  LensLoss loss = LensLoss::kKl;
  int64_t shift = 0;  ///< kCe: 1, the token that follows.
  int64_t steps = 250;
  int64_t warmup = 0;
  /// The rate reaches 0 at this step; 0: at `steps`. The public package takes steps - warmup.
  int64_t decay_end = 0;
  bool adam = false;      ///< Adam with AMSGrad; else SGD with Nesterov's momentum.
  double rate_scale = 1;  ///< SGD: rate = scale (1 - momentum); Adam: scale * 1e-3.
  double momentum = 0.9;  ///< Of SGD; Adam's beta1.
  double weight_decay = 1e-3;
  double clip = 1;  ///< Largest norm of all gradients together.
  bool bias_only = false;
};

/// Trains all translators at once, a batch a step. State lies in the trainer alone and changes only
/// at the end of a step, so a training that is interrupted in one can be saved and resumed.
class TunedLensTrainer {
 public:
  /// Starts from `lens`, which is copied.
  TunedLensTrainer(const LanguageModel& lm, const TunedLens& lens,
                   const TunedLensTraining& options);

  struct Step {
    at::Tensor loss;           ///< float64 [L], before the update
    double gradient_norm = 0;  ///< Before clipping.
    double learning_rate = 0;
  };
  Step step(const TokenBatch& batch);

  const TunedLens& lens() const { return lens_; }
  int64_t steps_done() const { return done_; }

  /// The lens in the public format, and `training.safetensors` with what `resume` needs.
  void save(const std::filesystem::path& folder) const;
  /// kInvalidArgument when the saved training had other settings.
  void resume(const std::filesystem::path& folder);

 private:
  const LanguageModel& lm_;
  TunedLens lens_;
  TunedLensTraining options_;
  std::unique_ptr<Optimizer> optimizer_;
  int64_t done_ = 0;
};

/// Rows of `length` tokens each, cut one after the other; what is left at the end is dropped.
/// kInvalidArgument when there is not even one.
at::Tensor token_rows(const std::vector<int64_t>& tokens, int64_t length);
/// The rows of step s: each epoch goes through all `rows` [N, T] in an order of its own, drawn from
/// the seed.
TokenBatch rows_of_step(const at::Tensor& rows, int64_t step, int64_t batch, uint64_t seed);

}  // namespace weir
