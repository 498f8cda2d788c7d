#include "weir/report/shell_command.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "weir/report/character.h"
#include "weir/report/character_width.h"

namespace weir::report {
namespace {

enum class Quote { kNone, kSingle, kDouble, kEscapes };

// Follows a shell's quoting from character to character.
class Quoting {
 public:
  Quote state() const { return state_; }
  bool is_escaped() const { return is_escaped_; }

  void pass(char32_t code) {
    const bool was_escaped = is_escaped_;
    is_escaped_ = false;
    const bool was_dollar = is_dollar_;
    is_dollar_ = state_ == Quote::kNone && code == '$' && !was_escaped;
    if (was_escaped) return;
    if (code == '\\' && state_ != Quote::kSingle) {
      is_escaped_ = true;
    } else if (code == '\'' && state_ != Quote::kDouble) {
      const Quote opened = was_dollar ? Quote::kEscapes : Quote::kSingle;
      state_ = state_ == Quote::kNone ? opened : Quote::kNone;
    } else if (code == '"' && (state_ == Quote::kNone || state_ == Quote::kDouble)) {
      state_ = state_ == Quote::kNone ? Quote::kDouble : Quote::kNone;
    }
  }

 private:
  Quote state_ = Quote::kNone;
  bool is_escaped_ = false, is_dollar_ = false;
};

std::string_view mark_of(Quote quote) {
  return quote == Quote::kSingle ? "'" : quote == Quote::kDouble ? "\"" : "";
}

std::string escapes_of(const Character& character) {
  if (character.code == '\n') return "\\n";
  if (character.code == '\t') return "\\t";
  if (character.code == '\r') return "\\r";
  std::string text;
  for (const char byte : character.bytes) {
    text += fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
  }
  return text;
}

// Longer runs are parted, so that each part fits into a narrow line.
constexpr size_t kLongRun = 4;

// The escapes for what at the start of `text` cannot be seen; `bytes` of it.
std::string escapes_at(std::string_view text, char32_t before, size_t& bytes) {
  std::string escapes;
  bytes = 0;
  while (bytes < text.size() && escapes.size() < kLongRun) {
    const Character at = first_character(text.substr(bytes));
    const size_t next = bytes + at.bytes.size();
    const char32_t after = next < text.size() ? first_character(text.substr(next)).code : 0;
    const bool is_control = at.code < 0x20 || at.code == 0x7f;
    // A selector that does select is dropped from what is shown elsewhere: it has no width of its
    // own that terminals agree on.
    const bool is_shown = !is_control && !is_hidden(before, at.code, after) &&
                          !is_emoji_selector(at.code) &&
                          (at.code != kBrokenCharacter || at.bytes.size() > 1);
    if (is_shown) break;
    escapes += escapes_of(at);
    before = at.code;
    bytes = next;
  }
  return escapes;
}

int columns_of(std::string_view text) {
  int columns = 0;
  for (; !text.empty(); text.remove_prefix(first_character(text).bytes.size())) {
    columns += character_width(first_character(text).code);
  }
  return columns;
}

// What stays on one line: a character, or $'...' as a whole, where a backslash means something
// else.
std::string_view piece_at(std::string_view text, const Quoting& quoting) {
  const bool opens = quoting.state() == Quote::kNone && text.substr(0, 2) == "$'";
  if (!opens) return text.substr(0, first_character(text).bytes.size());
  size_t end = 2;
  while (end < text.size() && text[end] != '\'') end += text[end] == '\\' ? 2 : 1;
  return text.substr(0, std::min(end + 1, text.size()));
}

// Lines that end in a backslash where they are broken, at a space outside of quotes if there is
// one.
class BrokenLines {
 public:
  BrokenLines(int width, int first_used) : width_(width), used_(first_used) {}

  void add(std::string_view piece) {
    const int columns = columns_of(piece);
    // Room for a closing quote and the backslash. Never between a backslash and what it escapes.
    while (used_ + columns > width_ - 2 && !quoting_.is_escaped() && !lines_.back().empty()) {
      start_line();
    }
    for (std::string_view rest = piece; !rest.empty();) {
      const Character character = first_character(rest);
      quoting_.pass(character.code);
      rest.remove_prefix(character.bytes.size());
    }
    lines_.back() += piece;
    used_ += columns;
    if (piece == " " && quoting_.state() == Quote::kNone) after_space_ = lines_.back().size();
  }

  const Quoting& quoting() const { return quoting_; }
  std::vector<std::string> lines() && { return std::move(lines_); }

 private:
  void start_line() {
    std::string& line = lines_.back();
    std::string next;
    if (after_space_ > 0) {
      next = line.substr(after_space_);
      line.resize(after_space_);
    } else if (quoting_.state() == Quote::kSingle) {
      line += '\'';
      next = '\'';
    }
    line += '\\';
    used_ = columns_of(next);
    after_space_ = 0;
    lines_.push_back(std::move(next));
  }

  int width_, used_;
  size_t after_space_ = 0;  ///< Bytes of the last line up to its last space outside of quotes.
  Quoting quoting_;
  std::vector<std::string> lines_ = {""};
};

}  // namespace

std::string pasteable(std::string_view command) {
  std::string result;
  Quoting quoting;
  char32_t before = 0;
  for (size_t at = 0; at < command.size();) {
    size_t bytes = 0;
    const std::string escapes = escapes_at(command.substr(at), before, bytes);
    if (bytes == 0) {
      const Character character = first_character(command.substr(at));
      quoting.pass(character.code);
      result += character.bytes;
      before = character.code;
      at += character.bytes.size();
      continue;
    }
    const std::string_view mark = mark_of(quoting.state());
    if (quoting.state() == Quote::kEscapes) {
      result += escapes;
    } else {
      result += fmt::format("{}$'{}'{}", mark, escapes, mark);
    }
    before = 0;
    at += bytes;
  }
  return result;
}

std::vector<std::string> pasteable_lines(std::string_view command, int width, int first_used) {
  const std::string text = pasteable(command);
  BrokenLines lines(width, first_used);
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view piece = piece_at(rest, lines.quoting());
    lines.add(piece);
    rest.remove_prefix(piece.size());
  }
  return std::move(lines).lines();
}

}  // namespace weir::report
