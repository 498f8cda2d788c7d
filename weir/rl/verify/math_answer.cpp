#include "weir/rl/verify/math_answer.h"

#include <algorithm>
#include <cctype>

#include "weir/rl/verify/answer_text.h"
#include "weir/rl/verify/expression_parser.h"

namespace weir::rl {
namespace {

using Kind = MathAnswer::Kind;

constexpr size_t kLongestAnswer = 2000;  // Characters.

MathAnswer with_kind(Kind kind) {
  MathAnswer answer;
  answer.kind = kind;
  return answer;
}

MathAnswer formula_answer(ExpressionPtr formula) {
  if (!has_plus_minus(*formula)) {
    MathAnswer answer = with_kind(Kind::kFormula);
    answer.formula = std::move(formula);
    return answer;
  }
  MathAnswer both = with_kind(Kind::kSet);
  for (const bool plus : {true, false}) {
    both.parts.push_back(with_kind(Kind::kFormula));
    both.parts.back().formula = formula;
    both.parts.back().plus = plus;
  }
  return both;
}

MathAnswer read(std::string text);

std::vector<MathAnswer> read_each(const std::vector<std::string>& texts) {
  std::vector<MathAnswer> answers;
  for (const std::string& text : texts) answers.push_back(read(text));
  return answers;
}

bool any_unread(const std::vector<MathAnswer>& parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [](const MathAnswer& part) { return part.kind == Kind::kNothing; });
}

bool is_equation(const MathAnswer& of) {
  return of.kind == Kind::kRelation &&
         std::all_of(of.signs.begin(), of.signs.end(), [](const auto& s) { return s == "="; });
}

// "x" and "f(x)": what an answer is called.
bool is_name(const MathAnswer& of) {
  if (of.kind == Kind::kTuple) return std::all_of(of.parts.begin(), of.parts.end(), is_name);
  if (of.kind == Kind::kText) return true;
  if (of.kind != Kind::kFormula) return false;
  const Expression& formula = *of.formula;
  if (formula.kind == Expression::Kind::kVariable) return true;
  return formula.kind == Expression::Kind::kProduct && formula.parts.size() == 2 &&
         formula.parts[0]->kind == Expression::Kind::kVariable &&
         formula.parts[1]->kind == Expression::Kind::kVariable;
}

// "x = 5" and "x = 2 + 3 = 5" as 5; others as they are.
const MathAnswer& without_name(const MathAnswer& of) {
  if (!is_equation(of)) return of;
  return is_name(of.parts[0]) || of.parts.size() > 2 ? of.parts.back() : of;
}

// "n = 2, 3, 4": the name belongs to all.
void drop_name_of_list(std::vector<MathAnswer>* parts) {
  const bool only_first =
      is_equation(parts->front()) && std::none_of(parts->begin() + 1, parts->end(), is_equation);
  if (only_first) parts->front() = MathAnswer(without_name(parts->front()));
}

std::optional<MathAnswer> read_bracketed(const std::string& text) {
  const bool is_set = text.rfind("\\{", 0) == 0;
  const char first = text[0];
  if (!is_set && first != '(' && first != '[') return std::nullopt;
  if (closing_of(text) != text.size()) return std::nullopt;
  const size_t n = is_set ? 2 : 1;
  const std::string inside = trimmed(text.substr(n, text.size() - 2 * n));
  if (is_set) {
    const size_t bar = std::min(inside.find("\\mid"), inside.find('|'));
    if (bar != std::string::npos && inside.find('|', bar + 1) == std::string::npos) {
      return read(inside.substr(bar + (inside[bar] == '|' ? 1 : 4)));
    }
  }
  const std::vector<std::string> items = split_top(inside, {","});
  if (!is_set && items.size() < 2) return std::nullopt;
  MathAnswer answer = with_kind(is_set ? Kind::kSet : Kind::kTuple);
  answer.is_braced = is_set;
  answer.open = is_set ? '{' : first;
  answer.close = text.back();
  if (!inside.empty()) answer.parts = read_each(items);
  if (any_unread(answer.parts)) return with_kind(Kind::kNothing);
  return answer;
}

std::optional<MathAnswer> read_matrix(const std::string& text) {
  const std::string begin = "\\begin{";
  if (text.rfind(begin, 0) != 0) return std::nullopt;
  const size_t name_end = text.find('}'), last = text.rfind("\\end{");
  const std::string name = text.substr(begin.size(), name_end - begin.size());
  if (last == std::string::npos || name.find("matrix") == std::string::npos) {
    if (name != "array" || last == std::string::npos) return std::nullopt;
  }
  if (text.substr(last) != "\\end{" + name + "}") return std::nullopt;
  size_t first = name_end + 1;
  if (name == "array" && first < last && text[first] == '{') first = after_closing(text, first);
  if (first > last) return std::nullopt;
  MathAnswer answer = with_kind(Kind::kMatrix);
  for (const std::string& row : split_top(text.substr(first, last - first), {"\\\\"})) {
    if (row.empty()) continue;
    const auto cells = split_top(row, {"&"});
    if (answer.n_columns != 0 && cells.size() != answer.n_columns) return std::nullopt;
    answer.n_columns = cells.size();
    for (MathAnswer& cell : read_each(cells)) answer.parts.push_back(std::move(cell));
  }
  if (any_unread(answer.parts)) return with_kind(Kind::kNothing);
  return answer;
}

std::optional<MathAnswer> read_relation(const std::string& text) {
  std::vector<std::string> found;
  const std::vector<std::string> sides =
      split_top(text,
                {"\\leq", "\\geq", "\\neq", "\\le", "\\ge", "\\ne", "\u2264", "\u2265", "\u2260",
                 "<=", ">=", "\\lt", "\\gt", "<", ">", "="},
                &found);
  if (found.empty()) return std::nullopt;
  MathAnswer answer = with_kind(Kind::kRelation);
  answer.parts = read_each(sides);
  if (any_unread(answer.parts)) return with_kind(Kind::kNothing);
  for (const std::string& sign : found) {
    const bool is_other = sign.find("ne") != std::string::npos || sign == "\u2260";
    const bool is_less = sign[0] == '<' || sign.find("\\l") == 0 || sign == "\u2264";
    const bool is_strict = sign == "<" || sign == ">" || sign == "\\lt" || sign == "\\gt";
    answer.signs.push_back(sign == "=" ? "="
                           : is_other  ? "ne"
                                       : std::string(is_less ? "<" : ">") + (is_strict ? "" : "="));
  }
  // All signs the same way round: 3 > x as x < 3.
  const bool all_greater = std::all_of(answer.signs.begin(), answer.signs.end(),
                                       [](const std::string& sign) { return sign[0] == '>'; });
  if (all_greater) {
    std::reverse(answer.parts.begin(), answer.parts.end());
    std::reverse(answer.signs.begin(), answer.signs.end());
    for (std::string& sign : answer.signs) sign[0] = '<';
  }
  return answer;
}

std::optional<MathAnswer> read_in_base(const std::string& text) {
  const size_t mark = text.find('_');
  if (mark == std::string::npos || mark == 0 || !std::isdigit(static_cast<unsigned char>(text[0])))
    return std::nullopt;
  std::string base = text.substr(mark + 1);
  if (base.size() > 2 && base.front() == '{' && base.back() == '}') {
    base = base.substr(1, base.size() - 2);
  }
  const auto radix = BigInteger::read(base);
  const auto n = radix ? radix->small() : std::nullopt;
  if (!n || *n < 2 || *n > 36) return std::nullopt;
  const auto value = BigInteger::read(text.substr(0, mark), static_cast<int>(*n));
  if (!value) return std::nullopt;
  MathAnswer answer = formula_answer(make_number({*value, 1}));
  answer.base = base;
  // Without its base a number is taken for its digits.
  answer.text = text.substr(0, mark);
  return answer;
}

MathAnswer read_number(const std::string& text) {
  const Measured measured = take_unit(text);
  MathAnswer answer = with_kind(Kind::kNothing);
  if (auto in_base = read_in_base(measured.value)) {
    answer = std::move(*in_base);
  } else if (const ExpressionPtr formula = parse_expression(measured.value)) {
    answer = formula_answer(formula);
  } else if (measured.value != text && !measured.value.empty()) {
    answer = read(measured.value);
  }
  answer.unit = measured.unit;
  answer.is_percent = measured.is_percent;
  return answer;
}

MathAnswer read(std::string text) {
  text = trimmed(text);
  if (text.empty()) return {};
  if (const std::string choice = choice_letter(text); !choice.empty()) {
    MathAnswer answer = with_kind(Kind::kText);
    answer.text = choice;
    return answer;
  }
  if (is_empty_set(text)) {
    MathAnswer answer = with_kind(Kind::kSet);
    answer.is_braced = true;
    return answer;
  }
  if (const auto name = split_top(text, {"\\in ", "\u2208"}); name.size() == 2) text = name[1];
  const std::vector<std::string> items = split_top(text, {",", ";"});
  if (items.size() > 1) {
    MathAnswer list = with_kind(Kind::kSet);
    list.parts = read_each(items);
    drop_name_of_list(&list.parts);
    return any_unread(list.parts) ? MathAnswer{} : list;
  }
  const std::vector<std::string> united = split_top(text, {"\\cup", "\u222a"});
  if (united.size() > 1) {
    MathAnswer whole = with_kind(Kind::kUnion);
    whole.parts = read_each(united);
    return any_unread(whole.parts) ? MathAnswer{} : whole;
  }
  if (auto bracketed = read_bracketed(text)) return std::move(*bracketed);
  if (auto matrix = read_matrix(text)) return std::move(*matrix);
  if (auto relation = read_relation(text)) return std::move(*relation);
  return read_number(text);
}

// x < 3 as (-infinity, 3); nothing where no variable stands alone.
std::optional<MathAnswer> as_interval(const MathAnswer& of) {
  if (of.kind == Kind::kTuple && of.parts.size() == 2) return of;
  if (of.kind != Kind::kRelation || of.signs[0][0] != '<') return std::nullopt;
  const auto is_variable = [](const MathAnswer& part) {
    return part.kind == Kind::kFormula && part.formula->kind == Expression::Kind::kVariable;
  };
  const auto end = [](bool negative) {
    ExpressionPtr infinity = make_node(Expression::Kind::kVariable, {}, "infty");
    return formula_answer(negative ? make_node(Expression::Kind::kNegative, {infinity}) : infinity);
  };
  const auto bracket = [](const std::string& sign, char closed, char open) {
    return sign == "<=" ? closed : open;
  };
  MathAnswer interval = with_kind(Kind::kTuple);
  if (of.parts.size() == 3 && is_variable(of.parts[1])) {
    interval.parts = {of.parts[0], of.parts[2]};
    interval.open = bracket(of.signs[0], '[', '(');
    interval.close = bracket(of.signs[1], ']', ')');
  } else if (of.parts.size() == 2 && is_variable(of.parts[0])) {
    interval.parts = {end(true), of.parts[1]};
    interval.close = bracket(of.signs[0], ']', ')');
  } else if (of.parts.size() == 2 && is_variable(of.parts[1])) {
    interval.parts = {of.parts[0], end(false)};
    interval.open = bracket(of.signs[0], '[', '(');
  } else {
    return std::nullopt;
  }
  return interval;
}

ExpressionPtr difference(const MathAnswer& left, const MathAnswer& right) {
  if (left.kind != Kind::kFormula || right.kind != Kind::kFormula) return nullptr;
  return make_node(Expression::Kind::kSum,
                   {right.formula, make_node(Expression::Kind::kNegative, {left.formula})});
}

bool same_order(const std::vector<MathAnswer>& a, const std::vector<MathAnswer>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same_answer);
}

bool same_members(const MathAnswer& gold, const MathAnswer& answer) {
  const bool counts = !gold.is_braced && !answer.is_braced;
  if (counts && gold.parts.size() != answer.parts.size()) return false;
  const auto has = [](const std::vector<MathAnswer>& all, const auto& is_it) {
    return std::any_of(all.begin(), all.end(), is_it);
  };
  for (const MathAnswer& of : gold.parts) {
    if (!has(answer.parts, [&](const MathAnswer& a) { return same_answer(of, a); })) return false;
  }
  for (const MathAnswer& of : answer.parts) {
    if (!has(gold.parts, [&](const MathAnswer& g) { return same_answer(g, of); })) return false;
  }
  return true;
}

bool same_relation(const MathAnswer& gold, const MathAnswer& answer) {
  if (gold.signs.size() != answer.signs.size()) return false;
  if (is_equation(gold) && is_equation(answer) && is_name(gold.parts[0]) &&
      same_answer(gold.parts[0], answer.parts[0])) {
    return same_order(gold.parts, answer.parts);
  }
  for (size_t i = 0; i < gold.signs.size(); ++i) {
    if (gold.signs[i] != answer.signs[i]) return false;
    const auto g = difference(gold.parts[i], gold.parts[i + 1]);
    const auto a = difference(answer.parts[i], answer.parts[i + 1]);
    if (!g || !a || !proportional(*g, *a, gold.signs[i][0] == '<')) return false;
  }
  return true;
}

bool same_formula(const MathAnswer& gold, const MathAnswer& answer) {
  if (!gold.base.empty() && !answer.base.empty() && gold.base != answer.base) return false;
  if (gold.base != answer.base) {  // One says its base: then the digits count.
    const MathAnswer &with = gold.base.empty() ? answer : gold,
                     &bare = gold.base.empty() ? gold : answer;
    const auto digits = BigInteger::read(with.text);
    return digits && same_value(*make_number({*digits, 1}), *bare.formula);
  }
  if (same_value(*gold.formula, *answer.formula, gold.plus, answer.plus)) return true;
  if (gold.is_percent == answer.is_percent) return false;
  const ExpressionPtr hundred = make_number({100, 1});
  const auto share = [&](const MathAnswer& of) {
    return of.is_percent ? make_node(Expression::Kind::kQuotient, {of.formula, hundred})
                         : of.formula;
  };
  return same_value(*share(gold), *share(answer), gold.plus, answer.plus);
}

}  // namespace

MathAnswer read_math_answer(const std::string& text) {
  if (text.size() > kLongestAnswer) return {};
  bool is_words = false;
  const std::string plain = plain_answer(text, &is_words);
  MathAnswer answer = is_words ? with_kind(Kind::kText) : read(plain);
  if (answer.base.empty() && answer.text.empty()) answer.text = plain_words(plain);
  return answer;
}

bool same_answer(const MathAnswer& gold, const MathAnswer& answer) {
  if (!gold.unit.empty() && !answer.unit.empty() && gold.unit != answer.unit) return false;
  const bool by_text = gold.kind == Kind::kText || answer.kind == Kind::kText ||
                       gold.kind == Kind::kNothing || answer.kind == Kind::kNothing;
  const bool same_text = !gold.text.empty() && gold.text == answer.text;
  if (by_text || (same_text && gold.base == answer.base)) return same_text;
  if (is_equation(gold) != is_equation(answer)) {
    const MathAnswer &g = without_name(gold), &a = without_name(answer);
    return is_equation(g) == is_equation(a) && same_answer(g, a);
  }
  if (gold.kind != answer.kind) {
    const auto g = as_interval(gold), a = as_interval(answer);
    if (g && a) return same_answer(*g, *a);
    // "x < -1 or x > 1" for a union of intervals.
    const bool are_many = (gold.kind == Kind::kUnion && answer.kind == Kind::kSet) ||
                          (gold.kind == Kind::kSet && answer.kind == Kind::kUnion);
    if (are_many) return same_members(gold, answer);
    const bool one_is_list = (gold.kind == Kind::kTuple && answer.kind == Kind::kSet) ||
                             (gold.kind == Kind::kSet && answer.kind == Kind::kTuple);
    if (one_is_list && !gold.is_braced && !answer.is_braced) {
      return same_order(gold.parts, answer.parts);
    }
    if (gold.kind == Kind::kSet && gold.parts.size() == 1)
      return same_answer(gold.parts[0], answer);
    if (answer.kind == Kind::kSet && answer.parts.size() == 1) {
      return same_answer(gold, answer.parts[0]);
    }
    return false;
  }
  switch (gold.kind) {
    case Kind::kFormula:
      return same_formula(gold, answer);
    case Kind::kTuple:
      return gold.open == answer.open && gold.close == answer.close &&
             same_order(gold.parts, answer.parts);
    case Kind::kMatrix:
      return gold.n_columns == answer.n_columns && same_order(gold.parts, answer.parts);
    case Kind::kRelation:
      return same_relation(gold, answer);
    default:
      return same_members(gold, answer);
  }
}

}  // namespace weir::rl
