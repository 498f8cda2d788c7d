#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weir/data/activation_source.h"
#include "weir/sae/training/presets.h"
#include "weir/sae/training/sae_trainer.h"
#include "weir/train/recipe.h"
#include "weir/train/training_run.h"

namespace weir {

/// What a finished dictionary is judged by, on rows that no update saw.
struct HeldOutFigures {
  std::string name;  ///< Of the recipe's table.
  double explained_variance = 0, l0 = 0;
  double alive = 0;  ///< Share of latents that fired in the last `alive_window` tokens of training.
};

/// The training of the dictionaries that a recipe describes, one table [sae.NAME] each, all on the
/// same batches of activations. Keys: docs/methods/saes.md.
class SaeTraining final : public Trainee {
 public:
  /// How a dictionary is written for others to load: into a new folder.
  using SaveSae = std::function<void(const Sae& sae, const std::filesystem::path& folder)>;
  struct Origin {
    std::string model;  ///< Name of the model, for the dictionaries' own descriptions.
    int64_t context_size = 0;
    bool prepend_bos = false;
  };

  /// Reads `data.site`, `train.*`, `optimizer.rate`, `schedule.*`, `run.*` and `sae.*`; takes the
  /// held-out rows from the source. `save` may be empty. With a group of R, each process trains on
  /// every R-th stretch of `train.batch` rows: the updates of one with R times the batch.
  SaeTraining(Recipe& recipe, std::unique_ptr<data::ActivationSource> source, const Origin& origin,
              SaveSae save = {}, std::shared_ptr<ProcessGroup> group = nullptr);

  const TrainingRunOptions& options() const { return run_; }
  const std::vector<std::string>& names() const { return names_; }
  const SaeTrainer& trainer(size_t i) const { return *trainers_[i]; }
  std::vector<HeldOutFigures> held_out() const;

  Update update(int64_t step, double rate) override;
  std::vector<std::pair<std::string, double>> figures() const override { return figures_; }
  double validate() override;
  void save(const std::filesystem::path& folder) const override;
  void load(const std::filesystem::path& folder) override;
  void strip(const std::filesystem::path& folder) const override;

 private:
  struct Place {
    size_t in = 0, out = 0;  ///< Sites.
    double scale = 1;        ///< Of the input.
    double rate = 1;         ///< Of the learning rate.
  };
  void add(Recipe& recipe, const std::string& name, const Origin& origin);
  SaeBatch batch_of(const data::ActivationBatch& batch, size_t i) const;
  double alive(size_t i) const;

  std::unique_ptr<data::ActivationSource> source_;
  SaveSae save_;
  std::shared_ptr<ProcessGroup> group_;
  TrainingRunOptions run_;
  int64_t batch_, alive_window_;
  std::string default_site_;
  data::ActivationBatch held_out_;
  std::vector<std::string> names_;
  std::vector<Place> places_;
  std::vector<std::unique_ptr<SaeTrainer>> trainers_;
  std::vector<std::pair<std::string, double>> figures_;
};

}  // namespace weir
