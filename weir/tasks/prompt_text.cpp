#include "weir/tasks/prompt_text.h"

#include <algorithm>

#include "weir/base/error.h"

namespace weir {

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

bool has_lone_space(const Tokenizer& tokenizer, const std::vector<int64_t>& ids) {
  return ids.size() > 1 && tokenizer.display(ids.front()) == " ";
}

std::vector<int64_t> answer_ids(const Tokenizer& tokenizer, const std::string& text,
                                const std::string& answer) {
  const std::vector<int64_t> before = tokenizer.encode(text).ids;
  const std::vector<int64_t> whole = tokenizer.encode(text + answer).ids;
  const bool continues =
      whole.size() > before.size() && std::equal(before.begin(), before.end(), whole.begin());
  if (continues) return {whole.begin() + static_cast<std::ptrdiff_t>(before.size()), whole.end()};
  std::vector<int64_t> alone = tokenizer.encode(answer, false).ids;
  // SentencePiece puts a space in front of every text.
  if (has_lone_space(tokenizer, alone)) alone.erase(alone.begin());
  require(!alone.empty(), "expected an answer of at least one token, found '{}'", answer);
  return alone;
}

std::vector<int64_t> ordinary_tokens(const Tokenizer& tokenizer) {
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const bool has_token =
        !tokenizer.display(id).empty() && tokenizer.display(id) != "<" + std::to_string(id) + ">";
    if (has_token && !tokenizer.is_special(id)) ids.push_back(id);
  }
  return ids;
}

}  // namespace weir
