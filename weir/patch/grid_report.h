#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/report/report.h"

/// Effects of patches as maps and tables that name layer, position token and head.
namespace weir {

/// An array of effects and the names of its axes: "layer", "position" (or "query", "key"), "head",
/// and of paths "to_layer", "to_head".
struct NamedEffects {
  at::Tensor effect;
  std::vector<std::string> axes;
};

/// "3 France" of each column: the first row's token, with "..." where rows differ.
std::vector<std::string> position_names(const LanguageModel& lm, const TokenBatch& batch);

/// One entry as a reader knows it: "23.4 at 3 France", "layer 5 at 0 The", "9.6 -> 23.4 ".
std::string effect_name(const NamedEffects& found, int64_t flat_index,
                        const std::vector<std::string>& positions);

/// The largest entries as a table, then maps: layer x position, layer x head, or a tab for each
/// position behind the map of the largest entries. `value_label` says what the numbers are.
std::vector<Block> effect_blocks(const std::string& title, const NamedEffects& found,
                                 const std::vector<std::string>& positions,
                                 const std::string& value_label);

}  // namespace weir
