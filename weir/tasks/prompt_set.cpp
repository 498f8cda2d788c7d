#include "weir/tasks/prompt_set.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/base/error.h"

namespace weir {
namespace {

template <typename Map>
std::vector<std::string> keys(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

template <typename Map>
typename Map::mapped_type find(const Map& map, const std::string& name, const char* kind,
                               int64_t prompt) {
  const auto found = map.find(name);
  if (found == map.end()) {
    fail(ErrorCode::kNotFound, "expected a {} '{}' in prompt {}, found {}", kind, name, prompt,
         map.empty() ? "none" : fmt::format("{}", fmt::join(keys(map), ", ")));
  }
  return found->second;
}

/// int64 [N] of one number a prompt.
template <typename Function>
at::Tensor column(const PromptSet& set, const Function& function) {
  const at::Tensor result = at::empty({set.size()}, at::kLong);
  for (int64_t n = 0; n < set.size(); ++n) {
    result.data_ptr<int64_t>()[n] = function(set.prompts[static_cast<size_t>(n)], n);
  }
  return result;
}

int64_t first(const std::vector<int64_t>& ids, const char* kind, int64_t prompt) {
  require(!ids.empty(), "expected every prompt to have {}, found none in prompt {}", kind, prompt);
  return ids.front();
}

}  // namespace

std::vector<std::vector<int64_t>> PromptSet::clean_rows() const {
  std::vector<std::vector<int64_t>> rows;
  for (const Prompt& prompt : prompts) rows.push_back(prompt.clean.tokens);
  return rows;
}

std::vector<std::vector<int64_t>> PromptSet::corrupt_rows() const {
  std::vector<std::vector<int64_t>> rows;
  for (const Prompt& prompt : prompts) {
    require(!prompt.corrupt.tokens.empty(),
            "expected every prompt to have a corrupt partner, found none for prompt {}",
            rows.size());
    rows.push_back(prompt.corrupt.tokens);
  }
  return rows;
}

bool PromptSet::has_pairs() const {
  return !prompts.empty() && std::all_of(prompts.begin(), prompts.end(), [](const Prompt& prompt) {
    return !prompt.corrupt.tokens.empty();
  });
}

bool PromptSet::has_wrong() const {
  return !prompts.empty() && std::all_of(prompts.begin(), prompts.end(), [](const Prompt& prompt) {
    return !prompt.wrong.empty();
  });
}

at::Tensor PromptSet::answers() const {
  return column(
      *this, [](const Prompt& prompt, int64_t n) { return first(prompt.answer, "an answer", n); });
}

at::Tensor PromptSet::wrongs() const {
  return column(*this, [](const Prompt& prompt, int64_t n) {
    return first(prompt.wrong, "a wrong answer", n);
  });
}

at::Tensor PromptSet::label(const std::string& name) const {
  return column(*this, [&](const Prompt& prompt, int64_t n) {
    return find(prompt.labels, name, "label", n);
  });
}

at::Tensor PromptSet::positions(const std::string& role) const {
  size_t width = 0;
  for (const Prompt& prompt : prompts) width = std::max(width, prompt.clean.tokens.size());
  return column(*this, [&](const Prompt& prompt, int64_t n) {
    const auto pads = static_cast<int64_t>(width - prompt.clean.tokens.size());
    return pads + find(prompt.clean.roles, role, "role", n);
  });
}

PromptSet::Groups PromptSet::group(const std::string& name) const {
  Groups groups;
  for (int64_t n = 0; n < size(); ++n) {
    const std::string value = find(prompts[static_cast<size_t>(n)].groups, name, "group", n);
    const auto place = std::find(groups.names.begin(), groups.names.end(), value);
    groups.index.push_back(place - groups.names.begin());
    if (place == groups.names.end()) groups.names.push_back(value);
  }
  return groups;
}

}  // namespace weir
