#include "weir/base/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace weir {
namespace {

// Levenshtein distance, two rows.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> previous(b.size() + 1), current(b.size() + 1);
  std::iota(previous.begin(), previous.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, substituted});
    }
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace

std::vector<std::string> nearest_names(std::string_view name,
                                       const std::vector<std::string>& candidates, int count) {
  std::vector<std::pair<size_t, const std::string*>> scored;
  for (const std::string& candidate : candidates) {
    size_t distance = edit_distance(name, candidate);
    // "resid_pre" should find "blocks.0.hook_resid_pre": a part of a name counts as near.
    if (name.size() >= 3 && candidate.find(name) != std::string::npos) distance = 1;
    if (distance <= std::max<size_t>(2, name.size() / 3)) scored.emplace_back(distance, &candidate);
  }
  std::stable_sort(scored.begin(), scored.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> nearest;
  for (const auto& [distance, candidate] : scored) {
    if (static_cast<int>(nearest.size()) == count) break;
    nearest.push_back(*candidate);
  }
  return nearest;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  const std::vector<std::string> nearest = nearest_names(name, candidates);
  if (nearest.empty()) return "";
  std::string text = "; did you mean " + nearest[0];
  for (size_t i = 1; i < nearest.size(); ++i) {
    text += (i + 1 == nearest.size() ? " or " : ", ") + nearest[i];
  }
  return text + "?";
}

}  // namespace weir
