#include "weir/report/links.h"

#include <cstdint>

#include <fmt/format.h>

#include "weir/report/character.h"

namespace weir::report {
namespace {

constexpr size_t kLongestAnchor = 60;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// RFC 3986: everything but unreserved characters and the slashes between folders.
std::string percent_encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (is_letter_or_digit(c) || std::string_view("-._~/").find(c) != std::string_view::npos) {
      result += c;
    } else {
      result += fmt::format("%{:02X}", static_cast<uint8_t>(c));
    }
  }
  return result;
}

}  // namespace

std::string slug(std::string_view text, size_t most, bool keeps_unicode) {
  std::string result;
  for (char32_t before = 0; !text.empty();) {
    const Character at = first_character(text);
    text.remove_prefix(at.bytes.size());
    if (result.size() + at.bytes.size() > most) break;
    const char32_t after = text.empty() ? 0 : first_character(text).code;
    const bool is_letter = at.code < 0x80 ? is_letter_or_digit(at.bytes[0])
                                          : keeps_unicode && at.code != kBrokenCharacter &&
                                                !is_hidden(before, at.code, after);
    before = at.code;
    if (is_letter) {
      const bool is_upper = at.code >= 'A' && at.code <= 'Z';
      result +=
          is_upper ? std::string(1, static_cast<char>(at.code - 'A' + 'a')) : std::string(at.bytes);
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  while (!result.empty() && result.back() == '-') result.pop_back();
  return result;
}

std::string anchor_of(std::string_view title) {
  const std::string name = slug(title, kLongestAnchor, true);
  return name.empty() ? "" : "block-" + name;
}

std::string path_fault(std::string_view path) {
  if (path.empty()) return "is empty";
  if (path[0] == '/') return "is an absolute path";
  for (const char c : path) {
    if (c == ':') return "has a colon, as addresses outside the page's folder have";
    if (c == '\\' || static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      return "has a backslash or a control character";
    }
  }
  return "";
}

std::string target_fault(std::string_view target) {
  const size_t hash = target.find('#');
  if (hash == std::string_view::npos) return path_fault(target);
  if (anchor_of(target.substr(hash + 1)).empty()) return "names no title after '#'";
  return hash == 0 ? "" : path_fault(target.substr(0, hash));
}

std::string_view local_title(std::string_view target) {
  return !target.empty() && target[0] == '#' ? target.substr(1) : std::string_view();
}

std::string href_of_path(std::string_view path) { return percent_encoded(path); }

std::string href_of(std::string_view target) {
  const size_t hash = target.find('#');
  if (hash == std::string_view::npos) return percent_encoded(target);
  return percent_encoded(target.substr(0, hash)) + '#' +
         percent_encoded(anchor_of(target.substr(hash + 1)));
}

}  // namespace weir::report
