#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// The up to `count` candidates closest to `name` by edit distance, nearest first; only those
/// close enough to be a slip. For messages about unknown names.
std::vector<std::string> nearest_names(std::string_view name,
                                       const std::vector<std::string>& candidates, int count = 3);

/// "; did you mean a, b or c?", or "" when nothing is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace weir
