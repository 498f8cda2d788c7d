#include "weir/base/error.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

/// [begin, half, half without its last]
RoleTokens twice(const std::vector<int64_t>& begin, const std::vector<int64_t>& first,
                 const std::vector<int64_t>& second) {
  RoleTokens row;
  row.tokens = begin;
  row.tokens.insert(row.tokens.end(), first.begin(), first.end());
  row.roles["second_first"] = static_cast<int64_t>(row.tokens.size());
  row.tokens.insert(row.tokens.end(), second.begin(), second.end() - 1);
  row.roles["end"] = static_cast<int64_t>(row.tokens.size()) - 1;
  return row;
}

}  // namespace

PromptSet repeated_tokens(const TaskOptions& options, const Tokenizer& tokenizer) {
  const auto half = static_cast<size_t>(std::stoul(options.variant));
  const int64_t n_prompts = options.n == 0 ? 100 : options.n;
  const bool is_random = options.corruption == kRandomTokens;
  const std::vector<int64_t> ordinary = ordinary_tokens(tokenizer);
  require(ordinary.size() >= 2, "repeated-tokens: expected two ordinary tokens or more, found {}",
          ordinary.size());
  Draw draw(options.seed);
  PromptSet set;
  set.task = "repeated-tokens";
  set.seed = options.seed;
  const auto random = [&] {
    std::vector<int64_t> ids;
    for (size_t i = 0; i < half; ++i) ids.push_back(draw.pick(ordinary));
    return ids;
  };
  for (int64_t n = 0; n < n_prompts; ++n) {
    const auto first = random();
    auto other = random();
    while (other.back() == first.back()) other.back() = draw.pick(ordinary);
    std::vector<int64_t> begin = tokenizer.encode(options.prefix).ids;  // BOS, or nothing.
    for (int64_t k = 0; k < options.shots; ++k) {
      const auto shot = random();
      for (int time = 0; time < 2; ++time) begin.insert(begin.end(), shot.begin(), shot.end());
    }
    Prompt prompt;
    prompt.clean = twice(begin, first, first);
    prompt.corrupt = twice(begin, other, is_random ? random() : first);
    prompt.answer = {first.back()};
    prompt.wrong = {other.back()};
    set.prompts.push_back(std::move(prompt));
  }
  return set;
}

}  // namespace weir
