#include "weir/rl/verify/number_answer.h"

#include <algorithm>

#include "weir/rl/verify/expression_parser.h"

namespace weir::rl {
namespace {

constexpr auto kNone = std::string::npos;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Span {
  size_t begin = kNone, end = 0;
};

// The number that begins at or after `from`: sign, digits with commas between thousands, point.
Span next_number(const std::string& text, size_t from) {
  size_t begin = from;
  while (begin < text.size() && !is_digit(text[begin])) ++begin;
  if (begin == text.size()) return {};
  Span span{begin, begin};
  while (span.end < text.size()) {
    const char c = text[span.end];
    const bool has_digit_next = span.end + 1 < text.size() && is_digit(text[span.end + 1]);
    if (!is_digit(c) && !((c == ',' || c == '.' || c == '/') && has_digit_next)) break;
    ++span.end;
  }
  if (span.begin > from && text[span.begin - 1] == '.') --span.begin;
  const size_t sign = span.begin > 0 && text[span.begin - 1] == '$' ? span.begin - 1 : span.begin;
  // "5-3" is a difference; "-3", "= -3" and "-$3" are negative.
  if (sign > from && text[sign - 1] == '-' && (sign < 2 || !is_digit(text[sign - 2]))) {
    span.begin = sign - 1;
  }
  return span;
}

std::string taken(const std::string& text, const Span& span) {
  return span.begin == kNone ? "" : text.substr(span.begin, span.end - span.begin);
}

std::string tail(const std::string& text) {
  constexpr size_t kClip = 300;
  return text.size() > kClip ? text.substr(text.size() - kClip) : text;
}

size_t end_of_number_signs(const std::string& text, size_t at) {
  while (at < text.size() && (is_digit(text[at]) || text[at] == '.' || text[at] == ',')) ++at;
  return at;
}

}  // namespace

std::optional<Rational> read_plain_number(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    if (c != ',' && c != '$' && c != ' ' && c != '%' && c != '+') plain += c;
  }
  const bool is_negative = !plain.empty() && plain[0] == '-';
  if (is_negative) plain.erase(0, 1);
  const size_t slash = plain.find('/');
  auto value = Rational::read(plain.substr(0, slash));
  if (value && slash != kNone) {
    const auto bottom = Rational::read(plain.substr(slash + 1));
    value = bottom ? Rational::divide(*value, *bottom) : std::nullopt;
  }
  if (value && is_negative) value = Rational{} - *value;
  return value;
}

std::string last_number(const std::string& text) {
  std::string last;
  for (Span span = next_number(text, 0); span.begin != kNone; span = next_number(text, span.end)) {
    last = taken(text, span);
  }
  return last;
}

std::string gsm8k_answer(const std::string& whole) {
  std::string text = whole;
  for (const char* next : {"\nQuestion:", "\nQ:"}) {
    const size_t at = text.find(next);
    if (at != kNone && !trimmed(text.substr(0, at)).empty()) text.resize(at);
  }
  const size_t mark = text.rfind("####");
  if (mark != kNone) {
    const size_t end = std::min(text.find('\n', mark), text.size());
    return taken(text, next_number(text.substr(0, end), mark + 4));
  }
  for (const std::string lead : {"answer is", "Answer:", "answer:"}) {
    const size_t at = text.rfind(lead);
    if (at == kNone) continue;
    const std::string number = taken(text, next_number(text, at + lead.size()));
    if (!number.empty()) return number;
  }
  return last_number(text);
}

std::optional<std::string> gsm8k_strict(const std::string& whole) {
  const std::string text = tail(whole), mark = "#### ";
  std::optional<std::string> found;
  for (size_t at = text.find(mark); at != kNone; at = text.find(mark, at + 1)) {
    const size_t begin = at + mark.size();
    const size_t digits = begin < text.size() && text[begin] == '-' ? begin + 1 : begin;
    const size_t end = end_of_number_signs(text, digits);
    if (end == digits) continue;
    found = text.substr(begin, end - begin);
    found->erase(std::remove(found->begin(), found->end(), ','), found->end());
  }
  return found;
}

std::optional<std::string> gsm8k_flexible(const std::string& whole) {
  const std::string text = tail(whole);
  std::optional<std::string> found;
  for (size_t i = 0; i < text.size();) {
    const size_t digits = text[i] == '-' ? i + 1 : i, end = end_of_number_signs(text, digits);
    if (end == digits) {
      ++i;
      continue;
    }
    const std::string number = text.substr(i, end - i);
    if (number != "." || !found) found = number;
    i = end;
  }
  return found;
}

}  // namespace weir::rl
