#include "weir/text/word_cuts.h"

#include <algorithm>

#include "weir/text/tokenizer_state.h"

namespace weir::text {
namespace {

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool is_printable(char c) { return c > ' ' && c <= '~'; }

bool holds_cut(std::string_view text) {
  for (size_t i = 0; i + 2 < text.size(); ++i) {
    const bool is_white = text[i + 1] == ' ' || text[i + 1] == '\n';
    if (is_printable(text[i]) && is_white && is_letter(text[i + 2])) return true;
  }
  return false;
}

bool is_cut_by_no_token(const VocabularyTable& vocabulary) {
  for (int64_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.is_token(id) && holds_cut(bytes_of_token(vocabulary, id))) return false;
  }
  return true;
}

/// Texts three by three: a whole and its two parts.
class Trials {
 public:
  /// Both cuts between a text that ends in a printable character and one that begins with a letter.
  void add(const std::string& left, const std::string& right) {
    texts_.insert(texts_.end(), {left + " " + right, left, " " + right});
    texts_.insert(texts_.end(), {left + "\n" + right, left + "\n", right});
  }
  bool hold(const HfTokenizer& tokenizer) const {
    const IdLists lists = tokenizer.encode_ids({texts_.begin(), texts_.end()}, false);
    const auto place = [&](size_t text) {
      return lists.ids.begin() + static_cast<int64_t>(text == 0 ? 0 : lists.ends[text - 1]);
    };
    for (size_t whole = 0; whole < texts_.size(); whole += 3) {
      if (!std::equal(place(whole), place(whole + 1), place(whole + 1), place(whole + 3))) {
        return false;
      }
    }
    return true;
  }

 private:
  std::vector<std::string> texts_;
};

}  // namespace

bool allows_word_cuts(const HfTokenizer& tokenizer, const VocabularyTable& vocabulary) {
  if (!is_cut_by_no_token(vocabulary)) return false;
  Trials trials;
  for (char before = '!'; before <= '~'; ++before) {
    for (char after = 'A'; after <= 'z'; ++after) {
      if (is_letter(after))
        trials.add(std::string("so it was") + before, after + std::string("n end's"));
    }
  }
  for (int64_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.is_added(id)) continue;
    const std::string token(vocabulary.token(id));
    if (!token.empty() && is_printable(token.back())) trials.add("was" + token, "an end");
  }
  return trials.hold(tokenizer);
}

}  // namespace weir::text
