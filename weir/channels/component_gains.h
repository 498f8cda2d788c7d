#pragma once

#include <memory>
#include <vector>

#include "weir/channels/edit.h"
#include "weir/hooks/intervention.h"
#include "weir/lm/language_model.h"
#include "weir/tasks/prompt_set.h"

/// What a task would gain by larger or smaller singular components of heads' W_OV: the slopes that
/// a search for edits climbs (weir/channels/edit_search.h; docs/methods/channels.md).
namespace weir {

/// How the model is changed in a run: other weights (null: its own), or activations.
struct Change {
  const Weights* weights = nullptr;
  std::vector<Intervention> interventions;
  /// Adds itself to a run.
  void apply_to(RunOptions* run) const;
};

/// First order: d (mean log-probability of the answers) / d (factor of component i of head h's
/// W_OV), at factor 1. With a change that scaled the component the factor multiplies what became of
/// it. `last_only`: factors at the last position alone, of what the head writes there in all (with
/// the part of b_V, which an edit of the weights leaves alone). Heads below `first_layer` have
/// none.
struct ComponentGains {
  at::Tensor gain;                    ///< [L, H, K] float64
  double log_prob = 0, accuracy = 0;  ///< Means over the prompts of the same runs
};

/// Prompts in one rectangle, and the stream that enters the first layer that may change: what lies
/// below runs once.
class GainRows {
 public:
  GainRows(const LanguageModel& lm, const PromptSet& set, int64_t first_layer,
           const CircuitOptions& circuits = {});
  ~GainRows();
  GainRows(GainRows&&) noexcept;
  int64_t size() const;
  /// Of `count` prompts from `first` on.
  ComponentGains gains(const Change& change, bool last_only, int64_t first, int64_t count) const;
  ComponentGains gains(const Change& change, bool last_only) const {
    return gains(change, last_only, 0, size());
  }
  /// Share of prompts where the most probable token is the answer.
  double accuracy(const Change& change) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Components times factors at the last position alone: on what each head writes, exact whatever
/// the other components do, since right singular vectors are orthonormal. For --intervene.
std::vector<Intervention> steer_components(const Weights& weights, const ModelConfig& config,
                                           const std::vector<ComponentScale>& scales,
                                           const CircuitOptions& circuits = {});

/// 1 where the most probable token is the answer, else 0: [N] float64.
at::Tensor is_right(const LanguageModel& lm, const PromptSet& set, const Change& change = {});

}  // namespace weir
