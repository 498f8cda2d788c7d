#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weir/subnet/masked_loss.h"
#include "weir/subnet/subnetwork.h"
#include "weir/train/adam.h"

namespace weir {

/// The schedule of 2504.15471. AdamW on mask logits alone; the model's weights are frozen.
struct MaskTraining {
  double lambda = 10;  ///< Of the mean mask value in the loss.
  double learning_rate = 5e-5, weight_decay = 0.01;
  double growth = 1.001;  ///< Of beta, after every step; it begins with 1.
  int64_t max_steps = 15000;
  int64_t accumulate = 1;  ///< Batches of one step. More than 1 holds gradients of all parts.
  uint64_t seed = 0;       ///< Of methods that draw.
};

/// Trains masks. State changes only in the second half of a step, after the last point where an
/// interrupt is heeded, so that a training that was stopped can be saved and resumed.
class MaskTrainer {
 public:
  /// Starts from the method's initial logit; -1e6 for weights that are 0. Everything but `method`
  /// must outlive the trainer.
  MaskTrainer(const Transformer& transformer, const MaskSpace& space, const TokenTarget& target,
              std::unique_ptr<MaskMethod> method, const MaskTraining& options);

  struct Step {
    int64_t step = 0;  ///< From 1.
    double beta = 1;   ///< Of this step.
    MaskedLoss loss;   ///< Before the update.
    Decided decided;   ///< After it, with the beta of this step.
    bool stop() const { return decided.stop(); }
  };
  /// `batches`: int64 [B, T] each, as many as MaskTraining::accumulate.
  Step step(const std::vector<at::Tensor>& batches);

  const std::vector<at::Tensor>& logits() const { return logits_; }
  SoftMask mask() const { return {space_, *method_, logits_, beta_, noise_seed()}; }
  Subnetwork subnetwork() const;
  int64_t steps_done() const { return done_; }
  double beta() const { return beta_; }
  const MaskTraining& options() const { return options_; }

  /// Logits, optimiser state and settings, atomically.
  void save(const std::filesystem::path& file) const;
  /// kInvalidArgument when the saved training had other settings or another model.
  void resume(const std::filesystem::path& file);

 private:
  std::string settings() const;
  uint64_t noise_seed() const;
  void receive(size_t part, const at::Tensor& gradient, bool is_last, Decided* decided);

  const Transformer& transformer_;
  const MaskSpace& space_;
  const TokenTarget& target_;
  std::unique_ptr<MaskMethod> method_;
  MaskTraining options_;
  std::vector<at::Tensor> logits_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<at::Tensor> sums_;  ///< Gradients so far, when several batches make a step.
  double beta_ = 1;
  int64_t done_ = 0;
};

/// Steps until the stop rule holds or max_steps are done; true if it was the rule. `batch(i)`: the
/// i-th batch of the whole training, int64 [B, T]. Shows progress; when it is interrupted, or
/// anything else goes wrong, `file` (unless empty) has the state to resume from; every `save_every`
/// steps too.
bool train_masks(MaskTrainer& trainer, const std::function<at::Tensor(int64_t)>& batch,
                 const std::function<void(const MaskTrainer::Step&)>& on_step,
                 const std::filesystem::path& file = {}, int64_t save_every = 500);

}  // namespace weir
