#include "weir/report/display_text.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "weir/io/printable.h"
#include "weir/report/character_width.h"

namespace weir::report {
namespace {

constexpr char32_t kBroken = 0xfffd;
constexpr std::string_view kEllipsis = "\u2026";

struct Character {
  char32_t code = kBroken;
  std::string_view bytes;
};

size_t length_by_lead(uint8_t lead) {
  if (lead < 0x80) return 1;
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

// The character at the start of `text`, which is not empty; one byte and kBroken when the bytes
// there are no UTF-8.
Character first_character(std::string_view text) {
  const std::string_view bytes = text.substr(0, length_by_lead(static_cast<uint8_t>(text[0])));
  if (!io::is_utf8(bytes)) return {kBroken, text.substr(0, 1)};
  const auto lead = static_cast<uint8_t>(bytes[0]);
  char32_t code = bytes.size() == 1 ? lead : lead & (0x7fu >> bytes.size());
  for (const char byte : bytes.substr(1)) code = code << 6 | (static_cast<uint8_t>(byte) & 0x3f);
  return {code, bytes};
}

bool is_invisible(char32_t code) {
  const bool is_bidi = code == 0x61c || code == 0x200e || code == 0x200f ||
                       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  const bool is_empty = code == 0xad || code == 0x34f || code == 0x180e || code == 0x200b ||
                        (code >= 0x2060 && code <= 0x2065) || code == 0xfeff ||
                        (code >= 0x206a && code <= 0x206f) || (code >= 0xfff9 && code <= 0xfffb) ||
                        (code >= 0xe0000 && code <= 0xe0fff);
  const bool is_separator = code == 0x2028 || code == 0x2029;
  return is_bidi || is_empty || is_separator || (code >= 0x80 && code < 0xa0);
}

std::string encoded(char32_t code) {  // U+0800 to U+FFFF
  return {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3f)),
          static_cast<char>(0x80 | (code & 0x3f))};
}

std::string shown(const Character& character) {
  const char32_t code = character.code;
  if (code == '\n') return "\u21b5";
  if (code == '\t') return "\u21e5";
  if (code == kBroken) return "\ufffd";
  if (code < 0x20) return encoded(0x2400 + code);
  if (code == 0x7f) return "\u2421";
  if (is_invisible(code)) return fmt::format("<U+{:04X}>", static_cast<uint32_t>(code));
  // Asks for an emoji's wide form, which terminals measure differently.
  if (code == 0xfe0f) return "";
  return std::string(character.bytes);
}

// Joiners are part of words and emoji, but at an end they join nothing and would not be seen.
bool is_joiner(char32_t code) { return code == 0x200c || code == 0x200d; }

std::string shown_at_end(const Character& character, Spaces spaces) {
  if (character.code == ' ' && spaces == Spaces::kMarked) return "\u2423";
  if (is_joiner(character.code)) {
    return fmt::format("<U+{:04X}>", static_cast<uint32_t>(character.code));
  }
  return shown(character);
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
  for (size_t at = 0; at < text.size();) {
    const Character character = first_character(text.substr(at));
    const size_t next = at + character.bytes.size();
    const bool is_at_end = at <= first_other || last_other == std::string_view::npos ||
                           at > last_other || next == text.size();
    std::string piece = is_at_end ? shown_at_end(character, spaces) : shown(character);
    if (result.empty() && !piece.empty() && character_width(character.code) == 0 &&
        !is_joiner(character.code)) {
      piece.insert(0, "\u25cc");
    }
    result += piece;
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
