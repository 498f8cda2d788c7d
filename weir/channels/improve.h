#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weir/channels/dial.h"
#include "weir/channels/edit_search.h"
#include "weir/channels/sweep.h"
#include "weir/report/report.h"

/// A model made better at a task, by steering and by an edit of its weights: both chosen on one set
/// of prompts and reported on another, beside controls (2406.09519; docs/methods/channels.md).
namespace weir {

struct SteerTaskOptions {
  Subspace subspace;
  std::vector<std::string> names;  ///< Of its directions
  SteeringOptions steering;
  std::optional<HeadId> mover;  ///< Also the dial of this head's attention
  double radius = 0;            ///< Of the dial's box
  int64_t dial_points = 5;      ///< An axis
  int64_t dial_prompts = 16;
};
struct TaskSteering {
  SteeringResult result;
  std::optional<Dial> dial;
};
TaskSteering steer_and_dial(const LanguageModel& lm, const PromptSet& dev, const PromptSet& test,
                            const SteerTaskOptions& options);
std::vector<Block> steering_blocks(const TaskSteering& steering, const SteerTaskOptions& options);

/// The best edit, and what as many random components of the same layers come to by the same search.
struct ImprovedWeights {
  EditSearch search;
  bool last_only = false;               ///< Steering of the last position; weights as loaded
  MeanInterval baseline, edited, gain;  ///< Accuracy on the test prompts
  std::vector<double> by_place, baseline_by_place;
  std::vector<MeanInterval> control_gains;
  std::vector<double> control_losses;  ///< What they cost on neutral text
};
ImprovedWeights improve_weights(const LanguageModel& lm, const PromptSet& dev,
                                const PromptSet& test, const EditSearchOptions& options,
                                int64_t n_controls, uint64_t seed);
std::vector<Block> improvement_blocks(const ImprovedWeights& improved);

/// The first `n` prompts, and the others.
std::pair<PromptSet, PromptSet> split(const PromptSet& set, int64_t n);

}  // namespace weir
