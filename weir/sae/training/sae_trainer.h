#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "weir/sae/kinds/sae.h"
#include "weir/sae/training/anneal.h"
#include "weir/sae/training/dead_latents.h"
#include "weir/sae/training/resample.h"
#include "weir/sae/training/settings.h"
#include "weir/sae/training/step.h"
#include "weir/train/optimizer.h"

namespace weir {

/// How loss and gradients are found. kAuto: the sparse way where the kind has one.
enum class SaeEngine { kAuto, kDense, kSparse };

struct SaeTrainerOptions {
  SaeEngine engine = SaeEngine::kAuto;
  uint64_t seed = 0;           ///< Of noise and of resampling.
  bool keeps_tensors = false;  ///< Each step also tells latents, reconstruction and gradients.
  /// Processes that train one dictionary: each step shares the rows (every process gets as many),
  /// or, with `shards`, the latents: then `start` is this process's part of them (shard_of) and
  /// every process gets the same rows. TopK kinds alone; b_dec and counters are the same
  /// everywhere.
  std::shared_ptr<ProcessGroup> group = nullptr;
  bool shards = false;
};

/// One step's outcome; numbers are those before the update.
struct SaeStep {
  SaeGradients found;        ///< Gradients as the loss has them; latents and x_hat when kept.
  double gradient_norm = 0;  ///< Of all of them.
  std::map<std::string, at::Tensor> final_gradients;  ///< What the optimiser received; when kept.
  int64_t n_dead = 0;
};

/// A dictionary in training: weights, optimiser, counters of dead latents, thresholds. Weights are
/// of float32 or float64; inputs come normalised (SaeConfig::normalisation is applied by whoever
/// calls; `scale` too).
///
///     SaeTrainer trainer(initial_sae(config, 0), settings);
///     for (int64_t i = 0; i < n; ++i) trainer.step({batch(i), {}, {}}, i, rate(i));
///     save(trainer.sae());
class SaeTrainer {
 public:
  SaeTrainer(const Sae& start, const SaeTrainingSettings& settings,
             const SaeTrainerOptions& options = {});

  /// Step number `step`, from 0: schedules of coefficients, noise and resampling go by it.
  /// `batch.noise` may be undefined: it is drawn from (seed, step). Where loss or norm is not
  /// finite, everything stays as it was.
  SaeStep step(const SaeBatch& batch, int64_t step, double rate);

  /// Gives the latents `dead` the directions of rows of x, and the optimiser forgets them.
  void resample(const at::Tensor& dead, const at::Tensor& rows, ResampleRule rule);

  const Sae& sae() const { return sae_; }
  const SaeTrainingSettings& settings() const { return settings_; }
  DeadLatents& dead() { return dead_; }
  const DeadLatents& dead() const { return dead_; }
  Optimizer& optimizer() { return *optimizer_; }
  const PAnneal& anneal() const { return anneal_; }
  /// Least latent above 0, followed as settings.threshold says; -1: none yet. Batch kinds keep it
  /// as a weight.
  double threshold() const { return threshold_; }

  /// All that another trainer of the same settings needs to go on, weights included.
  std::map<std::string, at::Tensor> state() const;
  void load_state(const std::map<std::string, at::Tensor>& state);

 private:
  SaeStepSituation situation(int64_t step);
  SaeGradients gradients(const SaeBatch& batch, const SaeStepSituation& situation) const;
  void update(SaeStep* step, double rate);
  void resample_by_error(const at::Tensor& x, int64_t step);
  void follow_threshold(double least, int64_t step);
  void constrain();
  /// Of gradients, over all processes that have parts of them.
  double norm_of(const std::map<std::string, at::Tensor>& gradients) const;
  void clip(const std::vector<at::Tensor>& gradients) const;
  void share(SaeBatch* batch) const;
  at::Tensor all_rows(const at::Tensor& own) const;
  at::Tensor rows() const;  ///< W_dec [F, n d_out]

  Sae sae_;
  SaeTrainingSettings settings_;
  SaeTrainerOptions options_;
  std::vector<std::string> names_;  ///< Of what is trained, in the optimiser's order.
  DeadLatents dead_;
  PAnneal anneal_;
  std::unique_ptr<Optimizer> optimizer_;
  double threshold_ = -1;
  double kl_coefficient_;  ///< Follows settings.kl.target, if there is one.
};

/// Latents [rank F / size, (rank + 1) F / size) of a dictionary, as one of its own.
Sae shard_of(const Sae& sae, int64_t rank, int64_t size);

/// k of a step: settings.k_start falling linearly to config.k in settings.k_anneal steps.
double k_of_step(const SaeConfig& config, const SaeTrainingSettings& settings, int64_t step);

}  // namespace weir
