#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Single characters of UTF-8 text, and which of them the eye would miss.
namespace weir::report {

constexpr char32_t kBrokenCharacter = 0xfffd;

struct Character {
  char32_t code = kBrokenCharacter;
  std::string_view bytes;
};

/// The character at the start of `text`, which is not empty; one byte and kBrokenCharacter when the
/// bytes there are no UTF-8.
Character first_character(std::string_view text);

struct CodeRange {
  char32_t first, last;
};
/// What shows as nothing or as a blank, wherever it stands: C1 controls, every space but U+0020,
/// zero-width and direction marks, fillers, variation selectors, tags. The page's script gets the
/// same list. The two joiners and the two emoji selectors are not in it: they are part of words and
/// pictures.
const std::vector<CodeRange>& hidden_ranges();

/// Whether the character between the two others (0 at an end) is one that nothing would be seen
/// of: one of `hidden_ranges`, a joiner that joins nothing, a selector that selects nothing.
bool is_hidden(char32_t before, char32_t code, char32_t after);
/// U+FE0E and U+FE0F: text or emoji form of the symbol before.
bool is_emoji_selector(char32_t code);
/// U+200C and U+200D.
bool is_joiner(char32_t code);

/// "<U+202E>".
std::string code_name(char32_t code);

}  // namespace weir::report
