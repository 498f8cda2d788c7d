#include "weir/report/character.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "weir/io/printable.h"

namespace weir::report {
namespace {

size_t length_by_lead(uint8_t lead) {
  if (lead < 0x80) return 1;
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

bool is_symbol(char32_t code) {
  return (code >= 0x203c && code <= 0x2bff) || (code >= 0x3030 && code <= 0x3299) ||
         (code >= 0x1f000 && code <= 0x1fbff) || code == 0xa9 || code == 0xae;
}

// Scripts whose letters change their form beside a joiner, and what emoji sequences are made of.
bool can_join(char32_t code) {
  return (code >= 0x600 && code <= 0x1cff) || (code >= 0xa800 && code <= 0xabff) ||
         (code >= 0x11000 && code <= 0x11fff) || (code >= 0x1e900 && code <= 0x1e95f) ||
         is_symbol(code) || is_emoji_selector(code) || is_joiner(code);
}

bool selects(char32_t before, char32_t after) {
  // "1", U+FE0F, U+20E3 is a key with a 1 on it; a digit alone has no emoji form to speak of.
  const bool is_key = before == '#' || before == '*' || (before >= '0' && before <= '9');
  return is_symbol(before) || (is_key && after == 0x20e3);
}

}  // namespace

Character first_character(std::string_view text) {
  const std::string_view bytes = text.substr(0, length_by_lead(static_cast<uint8_t>(text[0])));
  if (!io::is_utf8(bytes)) return {kBrokenCharacter, text.substr(0, 1)};
  const auto lead = static_cast<uint8_t>(bytes[0]);
  char32_t code = bytes.size() == 1 ? lead : lead & (0x7fu >> bytes.size());
  for (const char byte : bytes.substr(1)) code = code << 6 | (static_cast<uint8_t>(byte) & 0x3f);
  return {code, bytes};
}

const std::vector<CodeRange>& hidden_ranges() {
  // Unicode: Zs, Zl, Zp, Cc above U+007E, Cf and Default_Ignorable_Code_Point, and blanks that are
  // filed as letters or symbols (Hangul fillers, the empty Braille cell, the null notehead).
  static const std::vector<CodeRange> kRanges = {
      {0x80, 0xa0},       {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},
      {0x115f, 0x1160},   {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
      {0x2000, 0x200b},   {0x200e, 0x200f},   {0x2028, 0x202f},   {0x205f, 0x206f},
      {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},   {0xfe00, 0xfe0d},
      {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},   {0xfffe, 0xffff},
      {0x13430, 0x1345f}, {0x1bca0, 0x1bca3}, {0x1d159, 0x1d159}, {0x1d173, 0x1d17a},
      {0xe0000, 0xe0fff}};
  return kRanges;
}

bool is_emoji_selector(char32_t code) { return code == 0xfe0e || code == 0xfe0f; }
bool is_joiner(char32_t code) { return code == 0x200c || code == 0x200d; }

bool is_hidden(char32_t before, char32_t code, char32_t after) {
  if (is_joiner(code)) return !can_join(before) || !can_join(after);
  if (is_emoji_selector(code)) return !selects(before, after);
  const auto& ranges = hidden_ranges();
  const auto above =
      std::upper_bound(ranges.begin(), ranges.end(), code,
                       [](char32_t value, const CodeRange& range) { return value < range.first; });
  return above != ranges.begin() && code <= std::prev(above)->last;
}

std::string code_name(char32_t code) {
  return fmt::format("<U+{:04X}>", static_cast<uint32_t>(code));
}

}  // namespace weir::report
