#include "weir/rl/verify/boxed.h"

#include <cctype>

#include "weir/rl/verify/expression_parser.h"

namespace weir::rl {
namespace {

constexpr auto kNone = std::string::npos;

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> pieces;
  size_t begin = 0;
  for (size_t at = text.find(separator); at != kNone; at = text.find(separator, begin)) {
    pieces.push_back(text.substr(begin, at - begin));
    begin = at + separator.size();
  }
  pieces.push_back(text.substr(begin));
  return pieces;
}

}  // namespace

std::optional<std::string> last_boxed(const std::string& text) {
  size_t at = text.rfind("\\boxed");
  const size_t framed = text.rfind("\\fbox");
  if (framed != kNone && (at == kNone || framed > at)) at = framed;
  if (at == kNone) return std::nullopt;
  size_t open = at;
  while (open < text.size() && text[open] != '{' && text[open] != ' ' && text[open] != '\n') ++open;
  while (open < text.size() && text[open] == ' ') ++open;
  std::string inside;
  if (open < text.size() && text[open] == '{') {
    const size_t end = after_closing(text, open);
    if (end == kNone) return std::nullopt;
    inside = trimmed(text.substr(open + 1, end - open - 2));
  } else {
    inside = trimmed(text.substr(open, text.find_first_of("$\n", open) - open));
  }
  if (inside.empty()) return std::nullopt;
  return inside;
}

namespace hendrycks {
namespace {

// One-character arguments of \frac get braces. Nothing where a \frac ends the text.
std::optional<std::string> with_fraction_braces(const std::string& text) {
  const auto pieces = split(text, "\\frac");
  std::string result = pieces[0];
  for (size_t i = 1; i < pieces.size(); ++i) {
    const std::string& piece = pieces[i];
    if (piece.empty()) return std::nullopt;
    result += "\\frac";
    if (piece[0] == '{') {
      result += piece;
      continue;
    }
    if (piece.size() < 2) return text;
    const std::string top(1, piece[0]), bottom(1, piece[1]), rest = piece.substr(2);
    result += "{" + top + "}" + (bottom == "{" ? bottom : "{" + bottom + "}") + rest;
  }
  return result;
}

std::string with_slash_as_fraction(const std::string& text) {
  const auto sides = split(text, "/");
  if (sides.size() != 2) return text;
  for (const std::string& side : sides) {
    const size_t first = !side.empty() && side[0] == '-' ? 1 : 0;
    const std::string digits = side.substr(first);
    // Only what Python's int() writes back the same way.
    if (digits.empty() || digits.find_first_not_of("0123456789") != kNone) return text;
    if ((digits.size() > 1 && digits[0] == '0') || side == "-0") return text;
  }
  return "\\frac{" + sides[0] + "}{" + sides[1] + "}";
}

std::optional<std::string> with_root_braces(const std::string& text) {
  const auto pieces = split(text, "\\sqrt");
  std::string result = pieces[0];
  for (size_t i = 1; i < pieces.size(); ++i) {
    const std::string& piece = pieces[i];
    if (piece.empty()) return std::nullopt;
    result +=
        piece[0] == '{' ? "\\sqrt" + piece : "\\sqrt{" + piece.substr(0, 1) + "}" + piece.substr(1);
  }
  return result;
}

}  // namespace

std::optional<std::string> last_boxed(const std::string& text) {
  const std::string spaced = "\\boxed ";
  if (text.find(spaced) != kNone) {
    return split(split(text, spaced).back(), "$")[0];
  }
  const size_t at = text.rfind("\\boxed");
  if (at == kNone) return std::nullopt;
  int depth = 0;
  for (size_t i = at; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] != '}') continue;
    if (--depth != 0) continue;
    const std::string box = text.substr(at, i + 1 - at), left = "\\boxed{";
    if (box.rfind(left, 0) != 0) return std::nullopt;
    return box.substr(left.size(), box.size() - left.size() - 1);
  }
  return std::nullopt;
}

std::optional<std::string> normalised(const std::string& answer) {
  std::string text = answer;
  replace_all(&text, "\n", "");
  replace_all(&text, "\\!", "");
  replace_all(&text, "\\\\", "\\");
  for (const char* fraction : {"tfrac", "dfrac"}) replace_all(&text, fraction, "frac");
  for (const char* gone : {"\\left", "\\right", "^{\\circ}", "^\\circ", "\\$"}) {
    replace_all(&text, gone, "");
  }
  const auto units = split(text, "\\text{ ");
  if (units.size() > 2) return std::nullopt;
  text = units[0];
  for (const char* percent : {"\\\\%", "\\%"}) replace_all(&text, percent, "");
  replace_all(&text, " .", " 0.");
  replace_all(&text, "{.", "{0.");
  if (text.empty()) return text;
  if (text[0] == '.') text = "0" + text;
  const auto sides = split(text, "=");
  if (sides.size() == 2 && sides[0].size() <= 2) text = sides[1];
  const auto rooted = with_root_braces(text);
  if (!rooted) return std::nullopt;
  text = *rooted;
  replace_all(&text, " ", "");
  const auto fractions = with_fraction_braces(text);
  if (!fractions) return std::nullopt;
  text = *fractions == "0.5" ? "\\frac{1}{2}" : *fractions;
  return with_slash_as_fraction(text);
}

bool is_equal(const std::string& answer, const std::string& gold) {
  const auto a = normalised(answer), b = normalised(gold);
  return a && b ? *a == *b : answer == gold;
}

}  // namespace hendrycks
}  // namespace weir::rl
