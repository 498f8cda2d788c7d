#include <set>

#include <fmt/format.h>

#include "weir/tasks/task.h"

namespace weir {
namespace {

PromptText sentence(int a, char sign, int b) {
  return PromptText()
      .add(std::to_string(a), "subject")
      .add(fmt::format(" {} ", sign))
      .add(std::to_string(b), "operand")
      .add(" =");
}

}  // namespace

std::vector<TextPrompt> arithmetic_prompts(const TaskOptions& options, const Tokenizer&,
                                           Draw& draw) {
  const char sign = options.variant == "difference" ? '-' : '+';
  const auto result = [&](int a, int b) { return fmt::format(" {}", sign == '-' ? a - b : a + b); };
  std::vector<TextPrompt> prompts;
  std::set<std::string> seen;
  // Two-digit operands: about 4,000 different sums with a >= b, so tries end.
  for (int64_t tries = 0;
       static_cast<int64_t>(prompts.size()) < options.n && tries < 50 * options.n; ++tries) {
    int a = 10 + static_cast<int>(draw.below(90)), b = 10 + static_cast<int>(draw.below(90));
    if (a < b) std::swap(a, b);
    TextPrompt prompt;
    prompt.clean = sentence(a, sign, b);
    if (!seen.insert(prompt.clean.text).second) continue;
    prompt.answer = result(a, b);
    for (int k = 0; k < 8; ++k) {
      const int other = 10 + static_cast<int>(draw.below(static_cast<uint64_t>(a) - 9));
      if (other == b) continue;
      prompt.corruptions.push_back({sentence(a, sign, other), result(a, other)});
    }
    prompt.groups = {{"operands", fmt::format("{} {}", a, b)}};
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace weir
