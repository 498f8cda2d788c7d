#include "weir/tasks/prompt_text.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/base/error.h"

namespace weir {
namespace {

RoleTokens with_roles(const Tokenizer& tokenizer, const PromptText& prompt) {
  const Encoding encoding = tokenizer.encode(prompt.text);
  RoleTokens result;
  result.text = prompt.text;
  result.tokens = encoding.ids;
  for (const auto& [part, span] : prompt.parts) {
    const auto found = tokens_of(encoding, span);
    require(found.has_value(), "expected tokens for the part '{}' of '{}', found none", part,
            prompt.text);
    result.roles[part + "_first"] = found->first;
    result.roles[part + "_last"] = found->last;
  }
  require(!result.tokens.empty(), "expected at least one token in a prompt, found '{}'",
          prompt.text);
  result.roles["end"] = static_cast<int64_t>(result.tokens.size()) - 1;
  return result;
}

Prompt tokenize_prompt(const Tokenizer& tokenizer, const TextPrompt& source) {
  Prompt prompt;
  prompt.clean = with_roles(tokenizer, source.clean);
  prompt.answer = answer_ids(tokenizer, source.clean.text, source.answer);
  std::string wrong = source.wrong;
  for (const TextPrompt::Corruption& partner : source.corruptions) {
    RoleTokens tokens = with_roles(tokenizer, partner.text);
    if (tokens.tokens.size() != prompt.clean.tokens.size()) continue;
    prompt.corrupt = std::move(tokens);
    if (wrong.empty()) wrong = partner.answer;
    break;
  }
  if (!wrong.empty()) prompt.wrong = answer_ids(tokenizer, source.clean.text, wrong);
  for (const auto& [name, word] : source.labels) {
    prompt.labels[name] = answer_ids(tokenizer, source.clean.text, word).front();
  }
  prompt.groups = source.groups;
  return prompt;
}

}  // namespace

PromptText& PromptText::add(const std::string& piece, const std::string& part) {
  if (!part.empty()) parts[part] = {text.size(), text.size() + piece.size()};
  text += piece;
  return *this;
}

PromptText& PromptText::prepend(const std::string& piece) {
  text = piece + text;
  for (auto& [name, span] : parts) {
    span.begin += piece.size();
    span.end += piece.size();
  }
  return *this;
}

std::optional<TokenSpan> tokens_of(const Encoding& encoding, const PromptText::Span& span) {
  std::optional<TokenSpan> found;
  for (size_t t = 0; t < encoding.offsets.size(); ++t) {
    const auto begin = static_cast<size_t>(encoding.offsets[t].begin);
    const auto end = static_cast<size_t>(encoding.offsets[t].end);
    if (end <= span.begin || begin >= span.end || begin == end) continue;
    if (!found) found = TokenSpan{static_cast<int64_t>(t), 0};
    found->last = static_cast<int64_t>(t);
  }
  return found;
}

std::vector<int64_t> answer_ids(const Tokenizer& tokenizer, const std::string& text,
                                const std::string& answer) {
  const std::vector<int64_t> before = tokenizer.encode(text).ids;
  const std::vector<int64_t> whole = tokenizer.encode(text + answer).ids;
  const bool continues =
      whole.size() > before.size() && std::equal(before.begin(), before.end(), whole.begin());
  if (continues) return {whole.begin() + static_cast<std::ptrdiff_t>(before.size()), whole.end()};
  std::vector<int64_t> alone = tokenizer.encode(answer, false).ids;
  const bool has_lone_space = alone.size() > 1 && tokenizer.display(alone.front()) == " ";
  if (has_lone_space) alone.erase(alone.begin());
  require(!alone.empty(), "expected an answer of at least one token, found '{}'", answer);
  return alone;
}

PromptSet tokenize_prompts(const Tokenizer& tokenizer, const std::vector<TextPrompt>& prompts,
                           const TokenizeOptions& options) {
  PromptSet set;
  set.task = options.task;
  set.seed = options.seed;
  int64_t without_pair = 0;
  std::map<int64_t, std::set<std::string>> answers;
  for (const TextPrompt& source : prompts) {
    Prompt prompt = tokenize_prompt(tokenizer, source);
    const bool is_missing = !source.corruptions.empty() && prompt.corrupt.tokens.empty();
    if (is_missing || (options.needs_pairs && prompt.corrupt.tokens.empty())) {
      ++without_pair;
      if (options.needs_pairs) continue;
    }
    answers[prompt.answer.front()].insert(source.answer);
    set.prompts.push_back(std::move(prompt));
  }
  if (without_pair > 0) {
    set.notes.push_back(fmt::format("{} of {} prompts have no partner of the same length{}",
                                    without_pair, prompts.size(),
                                    options.needs_pairs ? " and were left out" : ""));
  }
  for (const auto& [id, texts] : answers) {
    if (texts.size() < 2) continue;
    set.notes.push_back(fmt::format("answers with the same first token '{}': {}",
                                    tokenizer.display(id), fmt::join(texts, ", ")));
  }
  return set;
}

}  // namespace weir
