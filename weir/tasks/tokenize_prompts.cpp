#include <fmt/format.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/tasks/prompt_text.h"

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

/// The space before the answer becomes the prompt's last token.
void end_with_space(RoleTokens& row, int64_t space) {
  row.text += " ";
  row.tokens.push_back(space);
  row.roles["end"] += 1;
}

/// Ids of words that might follow one prompt.
class Followers {
 public:
  Followers(const Tokenizer& tokenizer, const std::string& text, const std::string& answer)
      : tokenizer_(tokenizer), text_(text) {
    if (answer.empty()) return;
    answer_ = answer_ids(tokenizer, text, answer);
    if (!has_lone_space(tokenizer, answer_)) return;
    space_ = answer_.front();
    answer_.erase(answer_.begin());
  }
  const std::vector<int64_t>& answer() const { return answer_; }
  std::optional<int64_t> space() const { return space_; }
  /// Of another word, at the place where the answer stands.
  std::vector<int64_t> of(const std::string& word) const {
    std::vector<int64_t> ids = answer_ids(tokenizer_, text_, word);
    if (has_lone_space(tokenizer_, ids)) {
      ids.erase(ids.begin());
    } else if (space_ && word.size() > 1 && word.front() == ' ') {
      ids = answer_ids(tokenizer_, text_ + " ", word.substr(1));
    }
    return ids;
  }

 private:
  const Tokenizer& tokenizer_;
  const std::string& text_;
  std::vector<int64_t> answer_;
  std::optional<int64_t> space_;
};

/// The partner, and the wrong answer that it or another candidate lends.
void choose_partner(const Tokenizer& tokenizer, const TextPrompt& source,
                    const Followers& followers, Prompt& prompt) {
  const bool has_wrong = !source.wrong.empty();
  if (has_wrong) prompt.wrong = followers.of(source.wrong);
  const auto lent_by = [&](const TextPrompt::Corruption& partner) -> std::vector<int64_t> {
    if (partner.answer.empty() || partner.answer == source.answer) return {};
    return followers.of(partner.answer);
  };
  const auto is_told_apart = [&](const std::vector<int64_t>& wrong) {
    return !wrong.empty() && !prompt.answer.empty() && wrong.front() != prompt.answer.front();
  };
  for (const TextPrompt::Corruption& partner : source.corruptions) {
    RoleTokens tokens = with_roles(tokenizer, partner.text);
    if (tokens.tokens.size() != prompt.clean.tokens.size()) continue;
    const std::vector<int64_t> wrong = has_wrong ? prompt.wrong : lent_by(partner);
    const bool is_first = prompt.corrupt.tokens.empty();
    const bool is_best = has_wrong || is_told_apart(wrong);
    if (is_first || is_best) {
      prompt.corrupt = std::move(tokens);
      prompt.wrong = wrong;
    }
    if (is_best) return;
  }
  // A prompt without a partner still has a wrong answer to be compared with.
  for (const TextPrompt::Corruption& partner : source.corruptions) {
    if (is_told_apart(prompt.wrong) || !prompt.corrupt.tokens.empty()) return;
    const std::vector<int64_t> wrong = lent_by(partner);
    if (prompt.wrong.empty() || is_told_apart(wrong)) prompt.wrong = wrong;
  }
}

Prompt tokenize_prompt(const Tokenizer& tokenizer, const TextPrompt& source) {
  Prompt prompt;
  prompt.clean = with_roles(tokenizer, source.clean);
  const Followers followers(tokenizer, source.clean.text, source.answer);
  prompt.answer = followers.answer();
  choose_partner(tokenizer, source, followers, prompt);
  for (const auto& [name, word] : source.labels) prompt.labels[name] = followers.of(word).front();
  prompt.groups = source.groups;
  if (followers.space()) {
    end_with_space(prompt.clean, *followers.space());
    if (!prompt.corrupt.tokens.empty()) end_with_space(prompt.corrupt, *followers.space());
  }
  return prompt;
}

TextPrompt with_prefix(TextPrompt prompt, const std::string& prefix) {
  prompt.clean.prepend(prefix);
  for (auto& corruption : prompt.corruptions) corruption.text.prepend(prefix);
  return prompt;
}

void randomize(RoleTokens& row, const Tokenizer& tokenizer, const std::vector<int64_t>& ordinary,
               Draw& draw) {
  row.text.clear();
  for (int64_t& id : row.tokens) {
    if (!tokenizer.is_special(id)) id = draw.pick(ordinary);
  }
}

}  // namespace

PromptSet tokenize_prompts(const Tokenizer& tokenizer, const std::vector<TextPrompt>& prompts,
                           const TokenizeOptions& options) {
  PromptSet set;
  set.task = options.task;
  set.seed = options.seed;
  Draw draw(options.seed);
  const auto ordinary =
      options.random_partners ? ordinary_tokens(tokenizer) : std::vector<int64_t>();
  int64_t without_pair = 0;
  for (const TextPrompt& source : prompts) {
    Prompt prompt = tokenize_prompt(tokenizer, with_prefix(source, options.prefix));
    if (options.random_partners) {
      prompt.corrupt = prompt.clean;
      randomize(prompt.corrupt, tokenizer, ordinary, draw);
    }
    const bool is_alone = prompt.corrupt.tokens.empty();
    if (is_alone && (options.needs_pairs || !source.corruptions.empty())) {
      ++without_pair;
      if (options.needs_pairs) continue;
    }
    set.prompts.push_back(std::move(prompt));
  }
  require(!set.prompts.empty(), "{}: expected prompts{}, found none of {} that are", options.task,
          options.needs_pairs ? " with a partner of the same length in tokens" : "",
          prompts.size());
  if (without_pair > 0) {
    set.notes.push_back(fmt::format("{} of {} prompts have no partner of the same length{}",
                                    without_pair, prompts.size(),
                                    options.needs_pairs ? " and were left out" : ""));
  }
  for (std::string& note : notes_of(set, tokenizer)) set.notes.push_back(std::move(note));
  return set;
}

}  // namespace weir
