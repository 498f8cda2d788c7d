#include "weir/base/error.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

std::vector<int64_t> ordinary_tokens(const Tokenizer& tokenizer) {
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const bool has_token =
        !tokenizer.display(id).empty() && tokenizer.display(id) != "<" + std::to_string(id) + ">";
    if (has_token && !tokenizer.is_special(id)) ids.push_back(id);
  }
  return ids;
}

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
  require(options.shots == 0, "repeated-tokens: expected no shots, got {}", options.shots);
  const auto half = static_cast<size_t>(std::stoul(options.variant));
  const std::vector<int64_t> ordinary = ordinary_tokens(tokenizer);
  const std::vector<int64_t> begin = tokenizer.encode("").ids;  // BOS, or nothing.
  Draw draw(options.seed);
  PromptSet set;
  set.task = "repeated-tokens";
  set.seed = options.seed;
  const auto random = [&] {
    std::vector<int64_t> ids;
    for (size_t i = 0; i < half; ++i) ids.push_back(draw.pick(ordinary));
    return ids;
  };
  for (int64_t n = 0; n < options.n; ++n) {
    const auto first = random(), other = random();
    Prompt prompt;
    prompt.clean = twice(begin, first, first);
    prompt.corrupt = twice(begin, other, first);
    prompt.answer = {first.back()};
    prompt.wrong = {other.back()};
    set.prompts.push_back(std::move(prompt));
  }
  return set;
}

}  // namespace weir
