#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/kinds/sae.h"
#include "weir/sae/training/settings.h"
#include "weir/train/process_group.h"

/// Loss and gradients of one batch, apart from what an optimiser does with them.
namespace weir {

/// A part of the loss: the loss is the sum of weight * value.
struct LossTerm {
  std::string name;  ///< "reconstruction", "level_8", "sparsity", "auxk", "gate", "kl", ...
  double value = 0, weight = 1;
};

struct SaeBatch {
  at::Tensor x;                             ///< [B, n d_in], normalised.
  at::Tensor y;                             ///< [B, n d_out]: what is reconstructed; undefined: x.
  at::Tensor noise;                         ///< [B, F]; undefined: drawn from ...
  uint64_t noise_seed = 0;                  ///< ... this (noise.h), where anything is sampled.
  int64_t first_row = 0, first_latent = 0;  ///< Of this process: noise goes by their true numbers.
};

/// What a step is told beside the batch.
struct SaeStepSituation {
  double k = 0;                ///< As of now (it may fall).
  double sparsity = 0;         ///< Coefficient of now.
  double p = 1, next_p = -1;   ///< Of the penalty; next_p < 0: not asked.
  double kl = 0;               ///< Coefficient of now.
  bool keeps_tensors = false;  ///< Fill latents and x_hat.
  /// Of processes that share the step; null: alone. Each has rows of its own and all latents, or,
  /// with `shards`, all rows and latents of its own. Only the sparse way knows it.
  std::shared_ptr<ProcessGroup> group;
  bool shards = false;
  /// bool [F]: who would be dead if nothing fired now. Undefined: nobody.
  at::Tensor may_be_dead;
  /// Called once with what fired, bool [F]; who is dead, bool [F]. May be empty: nobody.
  std::function<at::Tensor(const at::Tensor& fired)> dead;
};

struct SaeGradients {
  double loss = 0;
  std::vector<LossTerm> terms;
  std::map<std::string, at::Tensor> gradients;  ///< By weight; absent where nothing arrives.
  double l0 = 0;                                ///< Mean number of latents that are not 0.
  double explained_variance = 0;                ///< 1 - sum e^2 / sum (y - mean y)^2
  double least_positive = 0;  ///< Least latent above 0 of the batch; of topk the mean over rows.
  double penalty = 0, next_penalty = 0;  ///< Of p and next_p.
  double kl = 0;                         ///< Nats a token, before its weight.
  double mean_sigma = 0, jaccard = 1;  ///< Sampling kinds: of the latents; z's choice against mu's.
  at::Tensor latents, x_hat;           ///< [B, F], [B, n d_out]
};

/// By autograd over [B, F] tensors: every kind, any floating type. What the sparse way
/// (sparse_step.h) is held against.
SaeGradients dense_gradients(const Sae& sae, const SaeTrainingSettings& settings,
                             const SaeBatch& batch, const SaeStepSituation& situation);

/// Names of the weights that a kind trains: all but the thresholds of batch kinds.
std::vector<std::string> trained_weights(const Sae& sae);

}  // namespace weir
