#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "weir/model/convert.h"
#include "weir/pretrain/corpus.h"
#include "weir/pretrain/trainer.h"
#include "weir/train/recipe.h"
#include "weir/train/training_run.h"

namespace weir {

/// The training of a language model that a recipe describes: from initial weights, or of a loaded
/// checkpoint further. Every parameter that `train.parameters` (globs) names is trained; there is
/// no dropout. Checkpoints are folders that Hugging Face transformers loads (with lora.rank: PEFT,
/// and in "merged" the changed model if lora.merge says so), with the tokenizer, and
/// training.safetensors with the optimiser's state.
class LanguageTraining final : public Trainee {
 public:
  /// What `model.from` means: a name of the store, a folder, a file.
  using FindModel = std::function<std::filesystem::path(const std::string& name)>;

  /// Reads the whole recipe; what is made of text goes into `folder`. With a group, each process
  /// takes rows of its own: R of them with a batch of B make the updates of one with R B.
  LanguageTraining(Recipe& recipe, const std::filesystem::path& folder, const FindModel& find,
                   std::shared_ptr<ProcessGroup> group = nullptr);

  const TrainingRunOptions& options() const { return run_; }
  const LoadedModel& model() const { return model_; }
  const TrainingCorpus& corpus() const { return corpus_; }

  Update update(int64_t step, double rate) override;
  double validate() override;
  void save(const std::filesystem::path& folder) const override;
  void load(const std::filesystem::path& folder) override;
  void strip(const std::filesystem::path& folder) const override;

 private:
  LanguageTraining(Recipe& recipe, const std::filesystem::path& folder,
                   const std::filesystem::path& from, std::shared_ptr<ProcessGroup> group);
  SaveOptions with_tokenizer() const;
  void load_weights(const std::filesystem::path& folder);

  std::shared_ptr<ProcessGroup> group_;
  TrainingCorpus corpus_;
  LoadedModel model_;
  std::string base_;  ///< model.from
  std::shared_ptr<Lora> adapter_;
  bool merges_;
  LanguageTrainer trainer_;
  TrainingRunOptions run_;
  int64_t batch_, n_parts_, validation_rows_;
};

}  // namespace weir
