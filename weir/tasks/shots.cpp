#include <algorithm>

#include "weir/base/error.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

std::string value_of(const std::map<std::string, std::string>& groups, const std::string& name) {
  const auto found = groups.find(name);
  return found == groups.end() ? "" : found->second;
}

bool contains(const std::string& text, const std::string& word) {
  return !word.empty() && text.find(word) != std::string::npos;
}

/// Whether `shot` may stand before `prompt`: it names neither the answer nor what competes with it.
bool may_precede(const TextPrompt& shot, const TextPrompt& prompt) {
  const std::string text = shot.clean.text + shot.answer;
  return shot.clean.text != prompt.clean.text && !contains(text, prompt.answer) &&
         !contains(text, prompt.wrong) && !contains(text, value_of(prompt.groups, "subject"));
}

}  // namespace

void put_before(TextPrompt& prompt, const std::string& shots) {
  prompt.clean.prepend(shots);
  auto& partners = prompt.corruptions;
  if (prompt.groups.count("subject") > 0) {
    const auto is_solved = [&](const TextPrompt::Corruption& partner) {
      const auto part = partner.text.parts.find("subject");
      if (part == partner.text.parts.end()) return false;
      const auto& span = part->second;
      return contains(shots, partner.text.text.substr(span.begin, span.end - span.begin));
    };
    partners.erase(std::remove_if(partners.begin(), partners.end(), is_solved), partners.end());
  }
  for (auto& partner : partners) partner.text.prepend(shots);
}

void add_shots(std::vector<TextPrompt>& prompts, const std::vector<TextPrompt>& pool, int64_t shots,
               const std::string& separator, Draw& draw) {
  if (shots == 0) return;
  for (TextPrompt& prompt : prompts) {
    std::vector<size_t> others, related;  // `related`: of the same relation.
    const std::string relation = value_of(prompt.groups, "relation");
    for (size_t i = 0; i < pool.size(); ++i) {
      if (!may_precede(pool[i], prompt)) continue;
      others.push_back(i);
      const bool is_related = !relation.empty() && value_of(pool[i].groups, "relation") == relation;
      if (is_related) related.push_back(i);
    }
    const auto n = static_cast<size_t>(shots);
    if (related.size() >= n) others = related;
    require(others.size() >= n,
            "expected at most {} shots, the examples that do not name the answer '{}', got {}",
            others.size(), prompt.answer, shots);
    std::string before;
    for (const size_t i : draw.pick(others, n)) {
      before += pool[i].clean.text + pool[i].answer + separator;
    }
    put_before(prompt, before);
  }
}

}  // namespace weir
