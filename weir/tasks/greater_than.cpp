#include <fmt/format.h>

#include "weir/tasks/task.h"

namespace weir {
namespace {

const std::vector<std::string> kNouns = {"war",     "reign",   "contract", "journey", "campaign",
                                         "project", "drought", "voyage",   "treaty",  "trial"};

PromptText sentence(const std::string& noun, int century, int year) {
  return PromptText()
      .add("The " + noun + " lasted from the year ")
      .add(fmt::format("{}{:02}", century, year), "year")
      .add(" to the year ")
      .add(std::to_string(century), "century");
}

}  // namespace

// Hanna et al. 2023 (2305.00586): a two-digit year greater than the first one. Answer and wrong
// answer differ from it in their tens, so that they are right and wrong too where digits are single
// tokens.
std::vector<TextPrompt> greater_than_prompts(const TaskOptions& options, const Tokenizer& tokenizer,
                                             Draw& draw) {
  std::vector<TextPrompt> prompts;
  // A year that is one token (1900) has no partner of its length; 50 tries find others.
  for (int64_t tries = 0;
       static_cast<int64_t>(prompts.size()) < options.n && tries < 50 * options.n; ++tries) {
    const std::string noun = draw.pick(kNouns);
    const int century = 11 + static_cast<int>(draw.below(7));
    const int year = 10 + static_cast<int>(draw.below(79));
    const int tens = year / 10;
    const int more =
        10 * (tens + 1 + static_cast<int>(draw.below(9 - tens))) + static_cast<int>(draw.below(10));
    const int less = 10 * static_cast<int>(draw.below(tens)) + static_cast<int>(draw.below(10));
    TextPrompt prompt;
    prompt.clean = sentence(noun, century, year);
    prompt.answer = std::to_string(more);
    prompt.wrong = fmt::format("{:02}", less);
    prompt.corruptions = {{sentence(noun, century, 1), prompt.wrong}};
    const std::string& partner = prompt.corruptions.front().text.text;
    if (tokenizer.encode(prompt.clean.text).ids.size() != tokenizer.encode(partner).ids.size())
      continue;
    prompt.groups = {{"year", std::to_string(year)}, {"noun", noun}};
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace weir
