#pragma once

#include <vector>

#include "weir/channels/regions.h"
#include "weir/tasks/prompt_set.h"

namespace weir {

/// What a region map comes to: the subspace as a dial over the items of a list (A8 g).
struct Dial {
  int64_t n_points = 0;                ///< Of the grid, each prompt
  double agreement = 0;                ///< Share of points where the closed form is right
  double agreement_without_bias = 0;   ///< The same without the query bias
  std::vector<double> attended, said;  ///< [n] share of points, by place in the list
  double n_attended = 0, n_said = 0, n_hull = 0;  ///< Items that are reached; vertices of the hull
};
Dial dial_of(const RegionMap& map);

/// int64 [N, n]: where the items of each list stand, in the order of the list (roles "item0_first",
/// ..., and "target_first" at the prompt's place). kNotFound for tasks without items.
at::Tensor item_positions(const PromptSet& set);

/// The head that writes most for the answers over the wrong ones: by direct effect at the last
/// position, mean over prompts.
HeadId strongest_writer(const LanguageModel& lm, const PromptSet& set);

/// The components whose factor, at the last position, matters most to the answer's probability, of
/// heads from `first_layer` up to below `before`.
std::vector<ComponentId> telling_components(const LanguageModel& lm, const PromptSet& set,
                                            int64_t first_layer, int64_t before, int64_t n,
                                            const CircuitOptions& circuits = {});

}  // namespace weir
