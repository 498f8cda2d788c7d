#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/model/loader.h"
#include "weir/pretrain/language_loss.h"
#include "weir/pretrain/lora.h"
#include "weir/train/optimizer.h"
#include "weir/train/process_group.h"

namespace weir {

struct LanguageTrainerOptions {
  LanguageLossOptions loss;
  at::ScalarType compute = at::kFloat;  ///< Of activations and products; weights stay float32.
  std::shared_ptr<ProcessGroup> group;  ///< Of processes that share each update; null: alone.
  double clip = 1;                      ///< Largest norm of all gradients together; 0: any.
};

/// Updates of a language model, in place: gradients of a batch, a bound on their norm, a step of
/// the optimiser. What is a rate, a batch or a run is told by whoever calls.
class LanguageTrainer {
 public:
  /// `model` is memory of its own (own, initial_weights) and outlives the trainer; its parameters
  /// that match `globs` are made leaves and trained.
  LanguageTrainer(LoadedModel* model, const std::vector<std::string>& globs,
                  const LanguageTrainerOptions& options);

  /// Trains an adapter's matrices instead; the model stays as it is.
  LanguageTrainer(LoadedModel* model, std::shared_ptr<const Lora> adapter,
                  const LanguageTrainerOptions& options);

  /// Names and shapes of what is trained; none for an adapter.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const std::vector<at::Tensor>& leaves() const { return leaves_; }
  const Transformer& transformer() const { return *transformer_; }

  /// Over `leaves`; before the first update.
  void set_optimizer(std::unique_ptr<Optimizer> optimizer);
  Optimizer& optimizer() const { return *optimizer_; }

  struct Update {
    LanguageLoss sums;         ///< Before the update, over all processes.
    double gradient_norm = 0;  ///< Before clipping.
  };
  /// One update by the mean over all predictions of `parts` (those of every process, where there
  /// is a group), whose gradients are added up one part after the other. Where loss or norm is not
  /// finite, the weights stay as they were.
  Update update(const std::vector<data::Batch>& parts, double learning_rate);

  /// The loss of a batch, without an update.
  LanguageLoss loss(const data::Batch& batch) const;

 private:
  /// What a forward reads: the model's weights, with the adapter.
  Weights weights() const;
  template <typename Number>
  Number sum_of_all(Number of) const;

  LoadedModel* model_;
  std::shared_ptr<const Lora> adapter_;
  LanguageTrainerOptions options_;
  std::vector<Parameter> parameters_;
  std::vector<at::Tensor> leaves_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<Optimizer> optimizer_;
};

}  // namespace weir
