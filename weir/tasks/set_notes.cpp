#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/tasks/prompt_text.h"

namespace weir {
namespace {

constexpr size_t kNamed = 4;  // As many are named, the others counted.

std::string some_of(const std::vector<std::string>& all) {
  const size_t n = std::min(all.size(), kNamed);
  const std::vector<std::string> named(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n));
  return fmt::format("{}{}", fmt::join(named, ", "),
                     n < all.size() ? fmt::format(" and {} more", all.size() - n) : "");
}

/// Different answers that begin with the same token.
std::string collisions(const PromptSet& set, const Tokenizer& tokenizer) {
  std::map<int64_t, std::set<std::vector<int64_t>>> answers;
  for (const Prompt& prompt : set.prompts) {
    if (!prompt.answer.empty()) answers[prompt.answer.front()].insert(prompt.answer);
  }
  std::vector<std::string> found;
  for (const auto& [id, different] : answers) {
    if (different.size() < 2) continue;
    std::vector<std::string> texts;
    for (const auto& ids : different) texts.push_back("'" + tokenizer.decode(ids) + "'");
    found.push_back(fmt::format("'{}' of {}", tokenizer.display(id), some_of(texts)));
  }
  return found.empty() ? "" : "answers that share their first token: " + some_of(found);
}

template <typename Test>
int64_t count(const PromptSet& set, const Test& test) {
  return std::count_if(set.prompts.begin(), set.prompts.end(), test);
}

}  // namespace

std::vector<std::string> notes_of(const PromptSet& set, const Tokenizer& tokenizer) {
  std::vector<std::string> notes;
  const std::string shared = collisions(set, tokenizer);
  if (!shared.empty()) notes.push_back(shared);
  const int64_t n_same = count(set, [](const Prompt& prompt) {
    return !prompt.answer.empty() && !prompt.wrong.empty() &&
           prompt.answer.front() == prompt.wrong.front();
  });
  if (n_same > 0) {
    notes.push_back(fmt::format(
        "in {} of {} prompts answer and wrong answer share their first token: their logit "
        "difference is 0",
        n_same, set.size()));
  }
  const int64_t n_alone = count(set, [](const Prompt& prompt) { return prompt.wrong.empty(); });
  if (n_alone > 0 && n_alone < set.size()) {
    notes.push_back(
        fmt::format("{} of {} prompts have no wrong answer, so the set has no logit difference",
                    n_alone, set.size()));
  }
  const int64_t n_equal =
      count(set, [](const Prompt& prompt) { return prompt.corrupt.tokens == prompt.clean.tokens; });
  if (n_equal > 0) {
    notes.push_back(fmt::format(
        "{} of {} partners are the prompts themselves: patching between them changes nothing",
        n_equal, set.size()));
  }
  return notes;
}

}  // namespace weir
