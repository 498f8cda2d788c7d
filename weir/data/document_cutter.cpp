#include "weir/data/document_cutter.h"

#include <algorithm>
#include <string>

namespace weir::data {
namespace {

constexpr size_t kPieceBytes = size_t{32} << 10;

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool is_printable(char c) { return c > ' ' && c <= '~'; }

// The first place of a cut at or after `from`; npos when there is none.
size_t next_cut(std::string_view text, size_t from) {
  for (size_t end = text.find('\n', from); end != std::string_view::npos && end + 1 < text.size();
       end = text.find('\n', end + 1)) {
    if (end > 0 && is_printable(text[end - 1]) && is_letter(text[end + 1])) return end + 1;
  }
  return std::string_view::npos;
}

// Whether the ids of texts 3i and those of 3i + 1 and 3i + 2 together are the same, for all i.
bool halves_make_wholes(const IdLists& lists) {
  const auto begin = [&](size_t text) { return text == 0 ? 0 : lists.ends[text - 1]; };
  for (size_t whole = 0; whole < lists.ends.size(); whole += 3) {
    const size_t middle = lists.ends[whole], end = lists.ends[whole + 2];
    if (!std::equal(lists.ids.begin() + static_cast<int64_t>(begin(whole)),
                    lists.ids.begin() + static_cast<int64_t>(middle),
                    lists.ids.begin() + static_cast<int64_t>(middle),
                    lists.ids.begin() + static_cast<int64_t>(end))) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<std::string_view> cut_at_lines(std::string_view text) {
  std::vector<std::string_view> pieces;
  while (text.size() > 2 * kPieceBytes) {
    const size_t cut = next_cut(text, kPieceBytes);
    if (cut == std::string_view::npos) break;
    pieces.push_back(text.substr(0, cut));
    text.remove_prefix(cut);
  }
  pieces.push_back(text);
  return pieces;
}

bool DocumentCutter::crosses_no_token() const {
  for (int64_t id = 0; id < tokenizer_.vocab_size(); ++id) {
    const std::string text = tokenizer_.decode({id});
    for (size_t end = 0; end + 1 < text.size(); ++end) {
      if (text[end] == '\n' && is_letter(text[end + 1])) return false;
    }
  }
  return true;
}

bool DocumentCutter::splits_alike() const {
  std::vector<std::string> texts;
  for (char before = '!'; before <= '~'; ++before) {
    for (char after = 'A'; after <= 'z'; ++after) {
      if (!is_letter(after)) continue;
      const std::string left = std::string("so it was") + before + "\n";
      const std::string right = after + std::string("n end's");
      texts.insert(texts.end(), {left + right, left, right});
    }
  }
  return halves_make_wholes(tokenizer_.encode_ids({texts.begin(), texts.end()}, false));
}

bool DocumentCutter::can_cut() {
  if (!can_cut_) can_cut_ = splits_alike() && crosses_no_token();
  return *can_cut_;
}

std::vector<std::string_view> DocumentCutter::pieces(std::string_view text) {
  const std::vector<std::string_view> pieces = cut_at_lines(text);
  if (pieces.size() > 1 && !can_cut()) return {text};
  return pieces;
}

}  // namespace weir::data
