#pragma once

#include <functional>
#include <vector>

#include "weir/channels/component_gains.h"

/// Factors of singular components of heads' W_OV that make a model better at a task, found by
/// gradient: as an edit of the weights, or as steering of the last position (2406.09519 shows that
/// such changes help with long lists; how the factors were found there could not be read, this
/// search is ours: docs/methods/channels.md).
namespace weir {

struct EditSearchOptions {
  std::vector<ComponentId> candidates;  ///< Empty: every component from `first_layer` on.
  int64_t first_layer = -1;             ///< -1: of the upper half. What is below runs only once.
  int64_t n_components = 32;            ///< So many are changed: those of the largest gains.
  int64_t n_steps = 12;
  int64_t n_prompts = 48;           ///< Of a step, in turn
  double rate = 0.25;               ///< Largest change of a factor in one step
  double least = -1, most = 4;      ///< Range of the factors
  double most_loss_increase = .01;  ///< Of the mean loss on neutral text, as a share
  /// Factors act at the last position of a prompt alone (steer_components); weights, and with them
  /// the loss on other text, stay as they are.
  bool last_only = false;
  CircuitOptions circuits;
  /// Mean loss on a text that the edit must not harm; unset: neutral_loss.
  std::function<double(const Weights* weights)> loss;
  /// Called after each step, for progress.
  std::function<void(int64_t step, double accuracy, double loss_increase)> seen =
      [](int64_t, double, double) {};
};
struct EditSearch {
  std::vector<ComponentScale> scales;  ///< Of the best step; empty: none was better
  double accuracy = 0;                 ///< Of all prompts that were searched with
  double loss_increase = 0;            ///< On neutral text, a share
};
/// Ascent on the mean log-probability of the answers of `dev`; factors that cost too much on
/// neutral text are drawn towards 1. Of all steps the one of the highest accuracy.
EditSearch search_edit(const LanguageModel& lm, const PromptSet& dev,
                       const EditSearchOptions& options);

/// Mean loss on the neutral text that comes with Weir.
double neutral_loss(const LanguageModel& lm, const Weights* weights);

}  // namespace weir
