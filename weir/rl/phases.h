#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weir/rl/policy.h"

namespace weir::rl {

/// A stretch of a training: which policy is trained, and how. BuPO (2512.19673) is two of them, a
/// layer's policy up to a step and then the full one; GRPO is one; others are other lists.
struct Phase {
  std::string name;
  PolicySpec spec;
  int64_t until = 0;                ///< The last step (from 1) of this phase; 0: to the end.
  double rate_scale = 1;            ///< Of the learning rate.
  bool reset_optimizer = false;     ///< Moments and counts start anew with the phase.
  std::vector<std::string> freeze;  ///< Globs of parameters that stay as they are.
  /// Factor of the rate of blocks above layer `above` (the layer-wise baseline of the paper).
  double rate_above = 1;
  int64_t above = 0;
};

/// From a table of tables: {"first": {"policy": "layer", "layer": 6, "until": 30}, "then":
/// {"policy": "full"}}; keys policy (full, layer, attention, mlp), layer (an integer or "auto"),
/// norm, until, rate_scale, reset_optimizer, freeze, rate_above, above. In the order of `until`. An
/// empty table is one full phase. `automatic` is called for "auto". kInvalidArgument names what
/// is wrong; a table none of whose phases reaches the end is.
std::vector<Phase> phases_of(const nlohmann::json& table, int64_t n_layers, double temperature,
                             const std::function<int64_t()>& automatic);

/// The index of the phase that step (from 1) belongs to; never below `floor`, before which phases
/// were ended early.
size_t phase_at(const std::vector<Phase>& phases, int64_t step, size_t floor = 0);

}  // namespace weir::rl
