#include "weir/rl/verify/answer_text.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <regex>

#include "weir/rl/verify/expression_parser.h"

namespace weir::rl {
namespace {

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Follows brackets of all kinds; \{ and \} count as brackets of their own.
class Depth {
 public:
  /// Takes the sign at `i`; returns how many bytes it has.
  size_t take(std::string_view text, size_t i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      if (text[i + 1] == '{') ++depth_;
      if (text[i + 1] == '}') --depth_;
      if (text.substr(i, 7) == "\\begin{") ++depth_;
      if (text.substr(i, 5) == "\\end{") --depth_;
      return 2;
    }
    if (text[i] == '(' || text[i] == '[' || text[i] == '{') ++depth_;
    if (text[i] == ')' || text[i] == ']' || text[i] == '}') --depth_;
    return 1;
  }
  int depth() const { return depth_; }

 private:
  int depth_ = 0;
};

// Names of one unit: abbreviations, plurals.
std::string unit_name(std::string unit) {
  static const std::map<std::string, std::string> names = {
      {"centimeter", "cm"}, {"centimetre", "cm"}, {"meter", "m"},       {"metre", "m"},
      {"kilometer", "km"},  {"kilometre", "km"},  {"millimeter", "mm"}, {"inche", "in"},
      {"inch", "in"},       {"feet", "ft"},       {"foot", "ft"},       {"yard", "yd"},
      {"mile", "mi"},       {"dollar", "$"},      {"hour", "h"},        {"hr", "h"},
      {"minute", "min"},    {"second", "s"},      {"sec", "s"},         {"kilogram", "kg"},
      {"gram", "g"},        {"pound", "lb"},      {"liter", "l"},       {"litre", "l"},
      {"deg", "degree"},    {"unit", ""},         {"units", ""},        {"squareunit", ""},
      {"cubicunit", ""},    {"squnit", ""},       {"percent", "%"},     {"cent", "cent"}};
  std::string name;
  for (const char c : unit) {
    if (is_letter(c) || is_digit(c) || c == '/' || c == '^' || c == '$') {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  std::string power;
  for (const auto& [word, degree] : {std::pair{"square", "^2"}, {"sq", "^2"}, {"cubic", "^3"}}) {
    if (name.rfind(word, 0) == 0 && name.size() > std::string(word).size()) {
      name = name.substr(std::string(word).size());
      power = degree;
      break;
    }
  }
  if (const size_t caret = name.find('^'); caret != std::string::npos) {
    power = name.substr(caret);
    name.resize(caret);
  }
  if (name.size() > 2 && name.back() == 's') name.pop_back();
  const auto known = names.find(name);
  if (known != names.end()) name = known->second;
  return name.empty() ? "" : name + power;
}

bool has_function(const std::string& text) {
  static const std::regex functions(R"(\\?(sin|cos|tan|cot|sec|csc))");
  return std::regex_search(text, functions);
}

// Words after a number that only say what is counted: "12 apples", "5 cm", "3 square feet".
bool take_bare_words(std::string* text, std::string* unit) {
  static const std::regex words(
      R"(^(.*[0-9}\)])(\s*)((?:[A-Za-z]+\s+)*[A-Za-z]{2,})(\^\{?[23]\}?)?$)");
  static const std::regex functions(R"(\b(sin|cos|tan|log|ln|sqrt|pi|exp)\b)");
  std::smatch match;
  if (text->size() > 200 || !std::regex_match(*text, match, words)) return false;
  const std::string word = match[3];
  static const std::vector<std::string> abbreviations = {
      "cm",  "mm", "km",  "kg",  "mg", "ml", "ft", "lb", "lbs", "oz",
      "mph", "hr", "hrs", "min", "in", "yd", "mi", "am", "pm"};
  const bool is_short =
      std::find(abbreviations.begin(), abbreviations.end(), word) != abbreviations.end();
  const bool is_word = match[2].length() > 0 && word.size() > 2;
  if (std::regex_search(word, functions) || !(is_short || is_word)) return false;
  *unit = word + match[4].str() + *unit;
  *text = trimmed(match[1].str());
  return true;
}

// \text{...} and \mathrm{...} at the end, with a power.
bool take_last_group(std::string* text, std::string* unit) {
  static const std::regex power(R"(\}(\^\{?([0-9])\}?)?$)");
  std::smatch match;
  if (!std::regex_search(*text, match, power)) return false;
  for (const std::string name : {"\\text{", "\\mathrm{", "\\textrm{", "\\mbox{", "\\operatorname{",
                                 "\\textit{", "\\textbf{"}) {
    const size_t at = text->rfind(name);
    if (at == std::string::npos || at == 0) continue;
    const size_t end = after_closing(*text, at + name.size() - 1);
    if (end != static_cast<size_t>(match.position(0)) + 1) continue;
    std::string inside = text->substr(at + name.size(), end - at - name.size() - 1);
    if (match[2].length() > 0) inside += "^" + match[2].str();
    *unit = inside + *unit;
    *text = trimmed(text->substr(0, at));
    return true;
  }
  return false;
}

bool take_degrees(std::string* text, std::string* unit) {
  if (has_function(*text)) return false;
  for (const std::string sign : {"^\\circ", "^{\\circ}", "\\degree", "\u00b0", "^{ \\circ}"}) {
    if (text->size() <= sign.size() || text->substr(text->size() - sign.size()) != sign) continue;
    *text = trimmed(text->substr(0, text->size() - sign.size()));
    *unit = "degree" + *unit;
    return true;
  }
  return false;
}

// Text commands that stand before the mathematics, and words that lead to it.
void drop_lead(std::string* text) {
  static const std::regex lead(
      R"(^(the\s+)?(final\s+)?answer(\s+is)?\s*:?\s*|^(equals|so|thus|therefore)\s+)",
      std::regex::icase);
  if (text->rfind("\\text{", 0) == 0) {
    const size_t end = after_closing(*text, 5);
    if (end != std::string::npos && end < text->size()) {
      const char next = text->find_first_not_of(' ', end) == std::string::npos
                            ? '\0'
                            : (*text)[text->find_first_not_of(' ', end)];
      if (next != '\0' && next != '^' && next != ',') *text = trimmed(text->substr(end));
    }
  }
  *text = std::regex_replace(*text, lead, "");
}

// "1,234" as 1234 outside brackets, "1{,}234" everywhere.
std::string without_thousands(const std::string& text) {
  static const std::regex marked(R"((\d)\{,\}(\d{3}))");
  static const std::regex number(
      R"(^([^0-9,]*)(\d{1,3}(?:,\d{3})+)(\.\d+)?(?![,0-9])(?!\s*,)(.*)$)");
  static const std::regex spaced(R"(^\d{1,3}(?: \d{3})+$)");
  std::string result = text;
  for (std::string before; before != result;) {
    before = result;
    result = std::regex_replace(result, marked, "$1$2");
  }
  if (std::regex_match(result, spaced)) {
    result.erase(std::remove(result.begin(), result.end(), ' '), result.end());
  }
  std::smatch match;
  if (result.size() > 400 || !std::regex_match(result, match, number)) return result;
  Depth depth;
  const std::string before = match[1];
  for (size_t i = 0; i < before.size();) i += depth.take(before, i);
  if (depth.depth() != 0) return result;
  std::string digits = match[2];
  digits.erase(std::remove(digits.begin(), digits.end(), ','), digits.end());
  return before + digits + match[3].str() + match[4].str();
}

}  // namespace

std::vector<std::string> split_top(std::string_view text,
                                   const std::vector<std::string>& separators,
                                   std::vector<std::string>* found) {
  std::vector<std::string> pieces;
  Depth depth;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const auto fits = [&](const std::string& separator) {
      if (text.substr(i, separator.size()) != separator) return false;
      const size_t end = i + separator.size();
      // \le is not the beginning of \left, nor \in of \infty.
      const bool is_command = separator[0] == '\\' && is_letter(separator.back());
      return !is_command || end >= text.size() || !is_letter(text[end]);
    };
    const auto separator = depth.depth() == 0
                               ? std::find_if(separators.begin(), separators.end(), fits)
                               : separators.end();
    if (separator == separators.end()) {
      i += depth.take(text, i);
      continue;
    }
    pieces.push_back(trimmed(text.substr(begin, i - begin)));
    if (found != nullptr) found->push_back(*separator);
    i += separator->size();
    begin = i;
  }
  pieces.push_back(trimmed(text.substr(begin)));
  return pieces;
}

size_t closing_of(std::string_view text) {
  Depth depth;
  for (size_t i = 0; i < text.size();) {
    i += depth.take(text, i);
    if (depth.depth() == 0) return i;
  }
  return std::string_view::npos;
}

std::string plain_answer(const std::string& text, bool* is_words) {
  static const std::regex conjunction(R"(,?\s*\\text\{\s*,?\s*(and|or)\s*\}\s*|,?\s+(and|or)\s+)");
  *is_words = false;
  std::string plain = clean_latex(text);
  while (!plain.empty() && (plain.back() == '.' || plain.back() == ',' || plain.back() == ';')) {
    plain = trimmed(plain.substr(0, plain.size() - 1));
  }
  for (const std::string name : {"\\text{", "\\textrm{", "\\mathrm{", "\\textbf{", "\\mathbf{"}) {
    if (plain.rfind(name, 0) != 0 || after_closing(plain, name.size() - 1) != plain.size())
      continue;
    plain = trimmed(plain.substr(name.size(), plain.size() - name.size() - 1));
    *is_words = std::regex_search(plain, std::regex("[A-Za-z]{2}"));
    if (*is_words) return plain;
  }
  drop_lead(&plain);
  plain = std::regex_replace(plain, conjunction, ", ");
  return without_thousands(plain);
}

std::string plain_words(std::string text) {
  for (const std::string command :
       {"\\text{", "\\textbf{", "\\textit{", "\\textrm{", "\\mathrm{", "\\mathbf{", "\\mbox{"}) {
    for (size_t at = text.find(command); at != std::string::npos; at = text.find(command)) {
      const size_t open = at + command.size() - 1, end = after_closing(text, open);
      if (end == std::string::npos) break;
      text.replace(at, end - at, text.substr(open + 1, end - open - 2));
    }
  }
  std::string words;
  for (const char c : text) {
    if (c != ' ' && c != '$') words += c;
  }
  const bool is_word = words.size() > 1 && std::all_of(words.begin(), words.end(), [](char c) {
                         return is_letter(c) || c == '-' || c == '\'';
                       });
  if (is_word) {
    for (char& c : words) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return words;
}

std::string choice_letter(const std::string& text) {
  std::string left = plain_words(text);
  const auto drop = [&left](char c, bool at_end) {
    if (left.empty() || (at_end ? left.back() : left.front()) != c) return;
    left.erase(at_end ? left.size() - 1 : 0, 1);
  };
  for (const char c : {'.', ':'}) drop(c, true);
  drop('(', false);
  drop(')', true);
  if (left.size() != 1) return "";
  const char c = static_cast<char>(std::toupper(static_cast<unsigned char>(left[0])));
  const bool is_choice = c >= 'A' && c <= 'J' && text.find(c) != std::string::npos;
  return is_choice ? std::string(1, c) : "";
}

bool is_empty_set(const std::string& text) {
  return text == "\\emptyset" || text == "\\varnothing" || text == "\u2205" || text == "\\{\\}" ||
         text == "\\{ \\}";
}

Measured take_unit(std::string text) {
  Measured result;
  std::string unit;
  text = trimmed(text);
  for (const std::string sign : {"\\$", "$", "\u20ac", "\u00a3"}) {
    if (text.rfind(sign, 0) == 0) text = trimmed(text.substr(sign.size()));
    if (text.rfind("-" + sign, 0) == 0) text = "-" + trimmed(text.substr(1 + sign.size()));
  }
  while (take_last_group(&text, &unit) || take_degrees(&text, &unit) ||
         take_bare_words(&text, &unit)) {
  }
  for (const std::string sign : {"\\%", "%"}) {
    if (text.size() <= sign.size() || text.substr(text.size() - sign.size()) != sign) continue;
    text = trimmed(text.substr(0, text.size() - sign.size()));
    result.is_percent = true;
  }
  result.unit = unit_name(unit);
  if (result.unit == "%") {
    result.unit.clear();
    result.is_percent = true;
  }
  result.value = text;
  return result;
}

}  // namespace weir::rl
