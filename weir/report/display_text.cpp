#include "weir/report/display_text.h"

#include <algorithm>

#include "weir/report/character.h"
#include "weir/report/character_width.h"

namespace weir::report {
namespace {

constexpr std::string_view kEllipsis = "\u2026";

std::string encoded(char32_t code) {  // U+0800 to U+FFFF
  return {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3f)),
          static_cast<char>(0x80 | (code & 0x3f))};
}

// `before` and `after` are the characters beside it, 0 at an end.
std::string shown(const Character& character, char32_t before, char32_t after) {
  const char32_t code = character.code;
  if (code == '\n') return "\u21b5";
  if (code == '\t') return "\u21e5";
  if (code == kBrokenCharacter) return "\ufffd";
  if (code < 0x20) return encoded(0x2400 + code);
  if (code == 0x7f) return "\u2421";
  if (is_hidden(before, code, after)) return code_name(code);
  // Asks for a symbol's wide or narrow form, which terminals measure differently.
  if (is_emoji_selector(code)) return "";
  return std::string(character.bytes);
}

// Bytes of the longest start of `text` that takes at most `width` columns.
size_t bytes_within(std::string_view text, int width) {
  size_t bytes = 0;
  while (bytes < text.size()) {
    const Character character = first_character(text.substr(bytes));
    width -= character_width(character.code);
    if (width < 0) break;
    bytes += character.bytes.size();
  }
  return bytes;
}

}  // namespace

std::string visible(std::string_view text, Spaces spaces) {
  const size_t first_other = std::min(text.find_first_not_of(' '), text.size());
  const size_t last_other = text.find_last_not_of(' ');
  std::string result;
  char32_t before = 0;
  for (size_t at = 0; at < text.size();) {
    const Character character = first_character(text.substr(at));
    const size_t next = at + character.bytes.size();
    const char32_t after = next < text.size() ? first_character(text.substr(next)).code : 0;
    const bool is_end_space = character.code == ' ' && (at < first_other || at > last_other);
    if (is_end_space && spaces == Spaces::kMarked) {
      result += "\u2423";
    } else {
      const std::string piece = shown(character, before, after);
      const bool stands_alone = result.empty() && piece == character.bytes;
      if (stands_alone && character_width(character.code) == 0) result += "\u25cc";
      result += piece;
    }
    before = character.code;
    at = next;
  }
  return result;
}

std::vector<std::string> visible(const std::vector<std::string>& texts, Spaces spaces) {
  std::vector<std::string> result;
  for (const std::string& text : texts) result.push_back(visible(text, spaces));
  return result;
}

std::vector<std::string> visible_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(visible(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    width += character_width(character.code);
    text.remove_prefix(character.bytes.size());
  }
  return width;
}

int display_width(const std::vector<std::string>& texts) {
  int width = 0;
  for (const std::string& text : texts) width = std::max(width, display_width(text));
  return width;
}

std::string truncated(std::string_view text, int width) {
  if (display_width(text) <= width) return std::string(text);
  if (width <= 0) return "";
  return std::string(text.substr(0, bytes_within(text, width - 1))) + std::string(kEllipsis);
}

std::string fitted(std::string_view text, int width, Align align) {
  const std::string short_text = truncated(text, width);
  const int missing = std::max(0, width - display_width(short_text));
  const int before = align == Align::kRight ? missing : align == Align::kCenter ? missing / 2 : 0;
  return std::string(before, ' ') + short_text + std::string(missing - before, ' ');
}

std::vector<std::string> wrapped(std::string_view text, int width) {
  std::vector<std::string> lines;
  while (display_width(text) > width) {
    size_t end = std::max(bytes_within(text, width), first_character(text).bytes.size());
    const size_t space = text.substr(0, end + 1).rfind(' ');
    const bool breaks_at_space = space != std::string_view::npos && space > 0;
    if (breaks_at_space) end = space;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + (breaks_at_space ? 1 : 0));
  }
  lines.emplace_back(text);
  return lines;
}

std::string repeated(std::string_view piece, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += piece;
  return result;
}

}  // namespace weir::report
