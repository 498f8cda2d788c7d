#include "weir/rl/verify/expression_parser.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace weir::rl {
namespace {

using Kind = Expression::Kind;

constexpr int kMostDepth = 100;

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct NoFormula {};

// Other names of functions, and names that plain text writes without a backslash.
std::string function_name(const std::string& name) {
  static const std::set<std::string> known = {
      "sin",    "cos",   "tan",  "cot",  "sec", "csc", "arcsin", "arccos",
      "arctan", "sinh",  "cosh", "tanh", "exp", "ln",  "lg",     "log",
      "abs",    "floor", "ceil", "Re",   "Im",  "arg", "gamma",  "sgn"};
  if (name == "asin" || name == "acos" || name == "atan") return "arc" + name.substr(1);
  return known.count(name) != 0 ? name : "";
}

const std::set<std::string>& greek() {
  static const std::set<std::string> letters = {
      "alpha", "beta",  "gamma",  "delta", "epsilon", "varepsilon", "zeta",  "eta",   "theta",
      "iota",  "kappa", "lambda", "mu",    "nu",      "xi",         "rho",   "sigma", "tau",
      "phi",   "chi",   "psi",    "omega", "varphi",  "Gamma",      "Delta", "Theta", "Lambda",
      "Phi",   "Psi",   "Omega",  "Sigma", "infty",   "ell",        "hbar"};
  return letters;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  ExpressionPtr all() {
    ExpressionPtr result = sum();
    skip();
    if (at_ != text_.size()) throw NoFormula{};
    return result;
  }

 private:
  void skip() {
    while (at_ < text_.size() &&
           (std::isspace(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '~')) {
      ++at_;
    }
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  // The command at hand ("frac"), without taking it; "" where there is none.
  std::string peek_command() {
    if (peek() != '\\') return "";
    size_t end = at_ + 1;
    while (end < text_.size() && is_letter(text_[end])) ++end;
    if (end == at_ + 1 && end < text_.size()) ++end;
    return std::string(text_.substr(at_ + 1, end - at_ - 1));
  }
  bool take_command(std::string_view name) {
    if (peek_command() != name) return false;
    at_ += 1 + name.size();
    return true;
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    skip();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void expect(char c) {
    if (!take(c)) throw NoFormula{};
  }

  struct Nesting {
    explicit Nesting(int* depth) : depth_(depth) {
      if (++*depth_ > kMostDepth) throw NoFormula{};
    }
    ~Nesting() { --*depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    int* depth_;
  };

  ExpressionPtr sum() {
    const Nesting nesting(&depth_);
    std::vector<ExpressionPtr> terms = {term()};
    while (true) {
      if (take('+')) {
        terms.push_back(term());
      } else if (take('-') || take_word("\u2212")) {
        terms.push_back(make_node(Kind::kNegative, {term()}));
      } else if (take_command("pm") || take_word("\u00b1")) {
        terms.push_back(make_node(Kind::kPlusMinus, {term()}));
      } else if (take_command("mp")) {
        terms.push_back(make_node(Kind::kPlusMinus, {term()}, "mp"));
      } else {
        return terms.size() == 1 ? terms[0] : make_node(Kind::kSum, std::move(terms));
      }
    }
  }

  ExpressionPtr term() {
    const Nesting nesting(&depth_);
    if (take('-') || take_word("\u2212")) return make_node(Kind::kNegative, {term()});
    if (take('+')) return term();
    if (take_command("pm") || take_word("\u00b1")) return make_node(Kind::kPlusMinus, {term()});
    if (take_command("mp")) return make_node(Kind::kPlusMinus, {term()}, "mp");
    return product(/*in_function=*/false);
  }

  ExpressionPtr product(bool in_function) {
    ExpressionPtr left = power();
    while (true) {
      if (take('*') || take_command("cdot") || take_command("times") || take_command("ast") ||
          take_word("\u00d7") || take_word("\u00b7")) {
        left = make_node(Kind::kProduct, {left, signed_power()});
      } else if (take('/') || take_command("div") || take_word("\u00f7")) {
        left = make_node(Kind::kQuotient, {left, signed_power()});
      } else if (starts_factor() && !(in_function && starts_function())) {
        left = juxtaposed(left);
      } else {
        return left;
      }
    }
  }

  ExpressionPtr signed_power() {
    const Nesting nesting(&depth_);
    if (take('-') || take_word("\u2212")) return make_node(Kind::kNegative, {signed_power()});
    if (take('+')) return signed_power();
    return power();
  }

  // A whole number before a fraction of whole numbers is a mixed number, else a factor.
  ExpressionPtr juxtaposed(const ExpressionPtr& left) {
    const bool is_whole = left->kind == Kind::kNumber && left->number.is_integer();
    const bool is_fraction = peek_command() == "frac" || is_digit(peek());
    ExpressionPtr right = power();
    if (right->kind == Kind::kNumber) {
      // "1 1/2": two numbers in a row are nothing else.
      if (!is_whole || !take('/')) throw NoFormula{};
      const ExpressionPtr bottom = power();
      if (bottom->kind != Kind::kNumber) throw NoFormula{};
      right = make_node(Kind::kQuotient, {right, bottom});
    }
    const bool is_simple = right->kind == Kind::kQuotient &&
                           right->parts[0]->kind == Kind::kNumber &&
                           right->parts[1]->kind == Kind::kNumber;
    return make_node(is_whole && is_fraction && is_simple ? Kind::kSum : Kind::kProduct,
                     {left, right});
  }

  bool starts_function() {
    const std::string name = peek_command();
    return !function_name(name).empty() || !function_name(peek_letters()).empty();
  }

  bool starts_factor() {
    const char c = peek();
    if (is_letter(c) || is_digit(c) || c == '(' || c == '{' || c == '[' || c == '.') return true;
    if (c == '|') return n_bars_ == 0;
    if (static_cast<unsigned char>(c) == 0xcf || static_cast<unsigned char>(c) == 0xe2) {
      return text_.substr(at_, 2) == "\u03c0" || text_.substr(at_, 3) == "\u221a" ||
             text_.substr(at_, 3) == "\u221e";
    }
    static const std::set<std::string> factors = {
        "frac",   "sqrt",  "pi",           "binom",  "dbinom", "tbinom", "lvert",
        "lfloor", "lceil", "operatorname", "mathrm", "mathbf", "mathit", "overline"};
    const std::string name = peek_command();
    return factors.count(name) != 0 || greek().count(name) != 0 || !function_name(name).empty();
  }

  ExpressionPtr power() {
    const Nesting nesting(&depth_);
    ExpressionPtr base = postfix(primary());
    if (!take('^') && !take_word("**")) return base;
    ExpressionPtr exponent = peek() == '{' ? primary() : single_exponent();
    return postfix(make_node(Kind::kPower, {base, exponent}));
  }

  ExpressionPtr single_exponent() {
    if (take('-')) return make_node(Kind::kNegative, {single_exponent()});
    // "x^10" of plain text is what a reader takes it for; LaTeX itself would take one digit.
    return primary();
  }

  ExpressionPtr postfix(ExpressionPtr of) {
    while (true) {
      if (take('!')) {
        of = make_node(Kind::kFactorial, {of});
      } else if (take_word("^\\circ") || take_word("^{\\circ}") || take_word("\u00b0") ||
                 take_command("degree")) {
        of = make_node(Kind::kDegree, {of});
      } else {
        return of;
      }
    }
  }

  std::string peek_letters() {
    skip();
    size_t end = at_;
    while (end < text_.size() && is_letter(text_[end])) ++end;
    return std::string(text_.substr(at_, end - at_));
  }

  ExpressionPtr primary() {
    const Nesting nesting(&depth_);
    const char c = peek();
    if (is_digit(c) || c == '.') return number();
    if (c == '{') return bracketed('{', '}');
    if (c == '(') return bracketed('(', ')');
    if (c == '[') return bracketed('[', ']');
    if (c == '|') return absolute();
    if (is_letter(c)) return letters();
    if (take_word("\u03c0")) return make_node(Kind::kConstant, {}, "pi");
    if (take_word("\u221e")) return make_node(Kind::kVariable, {}, "infty");
    if (take_word("\u221a")) return make_node(Kind::kRoot, {primary(), make_number({2, 1})});
    if (c == '\\') return command();
    throw NoFormula{};
  }

  ExpressionPtr number() {
    skip();
    const size_t begin = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    if (at_ < text_.size() && text_[at_] == '.') ++at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    const auto value = Rational::read(text_.substr(begin, at_ - begin));
    if (!value) throw NoFormula{};
    return make_number(*value);
  }

  ExpressionPtr bracketed(char open, char close) {
    expect(open);
    const int bars = n_bars_;
    n_bars_ = 0;
    ExpressionPtr inside = sum();
    n_bars_ = bars;
    expect(close);
    return inside;
  }

  ExpressionPtr absolute() {
    expect('|');
    ++n_bars_;
    ExpressionPtr inside = sum();
    --n_bars_;
    expect('|');
    return make_node(Kind::kFunction, {inside}, "abs");
  }

  ExpressionPtr variable(std::string name) {
    if (peek() != '_') {
      if (name == "e" || name == "i") return make_node(Kind::kConstant, {}, name);
      return make_node(Kind::kVariable, {}, name);
    }
    ++at_;
    skip();
    if (at_ >= text_.size()) throw NoFormula{};
    if (text_[at_] == '{') {
      const size_t end = after_closing(text_, at_);
      if (end == std::string_view::npos) throw NoFormula{};
      name += "_" + std::string(text_.substr(at_ + 1, end - at_ - 2));
      at_ = end;
    } else {
      name += "_" + std::string(1, text_[at_++]);
    }
    return make_node(Kind::kVariable, {}, name);
  }

  ExpressionPtr letters() {
    const std::string word = peek_letters();
    if (word == "sqrt" || word == "pi" || !function_name(word).empty()) {
      at_ += word.size();
      if (word == "pi") return make_node(Kind::kConstant, {}, "pi");
      if (word == "sqrt") return make_node(Kind::kRoot, {primary(), make_number({2, 1})});
      return function(function_name(word));
    }
    ++at_;
    return variable(word.substr(0, 1));
  }

  ExpressionPtr command() {
    const std::string name = peek_command();
    at_ += 1 + name.size();
    if (name == "pi") return make_node(Kind::kConstant, {}, "pi");
    if (name == "frac") {
      ExpressionPtr top = argument();
      return make_node(Kind::kQuotient, {top, argument()});
    }
    if (name == "sqrt") return root();
    if (name == "binom" || name == "dbinom" || name == "tbinom") {
      ExpressionPtr top = argument();
      return make_node(Kind::kFunction, {top, argument()}, "binom");
    }
    if (name == "lvert") return delimited("rvert", "abs");
    if (name == "lfloor") return delimited("rfloor", "floor");
    if (name == "lceil") return delimited("rceil", "ceil");
    if (name == "overline") return make_node(Kind::kFunction, {argument()}, "conj");
    if (name == "operatorname" || name == "mathrm" || name == "mathbf" || name == "mathit") {
      return named_group();
    }
    if (!function_name(name).empty() && name != "gamma") return function(function_name(name));
    if (greek().count(name) != 0) return variable(name);
    throw NoFormula{};
  }

  ExpressionPtr named_group() {
    if (peek() != '{') throw NoFormula{};
    const size_t end = after_closing(text_, at_);
    if (end == std::string_view::npos) throw NoFormula{};
    const std::string word = trimmed(text_.substr(at_ + 1, end - at_ - 2));
    at_ = end;
    if (!function_name(word).empty()) return function(function_name(word));
    if (word.size() == 1 && is_letter(word[0])) return variable(word);
    throw NoFormula{};
  }

  // Of \frac and the like: a group, or one sign.
  ExpressionPtr argument() {
    const char c = peek();
    if (c == '{') return bracketed('{', '}');
    if (is_digit(c)) return make_number({BigInteger(text_[at_++] - '0'), 1});
    if (is_letter(c)) return variable(std::string(1, text_[at_++]));
    if (c == '\\') return command();
    throw NoFormula{};
  }

  ExpressionPtr root() {
    ExpressionPtr degree = make_number({2, 1});
    if (peek() == '[') degree = bracketed('[', ']');
    ExpressionPtr of = peek() == '(' ? bracketed('(', ')') : argument();
    return make_node(Kind::kRoot, {of, degree});
  }

  ExpressionPtr delimited(const std::string& closing, const std::string& function) {
    ExpressionPtr inside = sum();
    if (!take_command(closing)) throw NoFormula{};
    return make_node(Kind::kFunction, {inside}, function);
  }

  ExpressionPtr function(std::string name) {
    ExpressionPtr base, exponent;
    if (name == "log" && take('_')) base = argument_of_script();
    if (take('^')) exponent = argument_of_script();
    ExpressionPtr of;
    const char c = peek();
    if (c == '(' || c == '{' || c == '[') {
      of = postfix(primary());
    } else {
      of = take('-') ? make_node(Kind::kNegative, {product(true)}) : product(true);
    }
    std::vector<ExpressionPtr> parts = {of};
    if (base) parts.push_back(base);
    const bool is_inverse = exponent && exponent->kind == Kind::kNegative && name.size() == 3;
    if (is_inverse) return make_node(Kind::kFunction, std::move(parts), "arc" + name);
    ExpressionPtr value = make_node(Kind::kFunction, std::move(parts), name);
    return exponent ? make_node(Kind::kPower, {value, exponent}) : value;
  }

  // Of _ and ^ at a function: LaTeX takes one digit, and so do we unless a space says otherwise.
  ExpressionPtr argument_of_script() {
    if (take('-')) return make_node(Kind::kNegative, {argument_of_script()});
    size_t end = at_;
    while (end < text_.size() && is_digit(text_[end])) ++end;
    const bool is_separate = end < text_.size() && (text_[end] == ' ' || text_[end] == '(');
    return is_digit(peek()) && is_separate ? number() : argument();
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0, n_bars_ = 0;
};

// \name{...} becomes its content where that is no word of letters (2 or more).
void unwrap(std::string* text, std::string_view command) {
  for (size_t at = text->find(command); at != std::string::npos; at = text->find(command, at)) {
    const size_t open = at + command.size() - 1, end = after_closing(*text, open);
    if (end == std::string::npos) return;
    const std::string inside = text->substr(open + 1, end - open - 2);
    const auto n_letters = std::count_if(inside.begin(), inside.end(), is_letter);
    if (n_letters > 1) {
      at = end;
      continue;
    }
    text->replace(at, end - at, inside);
  }
}

}  // namespace

ExpressionPtr parse_expression(std::string_view text) {
  try {
    return Parser(text).all();
  } catch (const NoFormula&) {
    return nullptr;
  }
}

size_t after_closing(std::string_view text, size_t open) {
  const char opens = text[open], closes = opens == '{' ? '}' : opens == '(' ? ')' : ']';
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;  // \{ is no bracket.
    } else if (text[i] == opens) {
      ++depth;
    } else if (text[i] == closes && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

void replace_all(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = text->find(from); at != std::string::npos; at = text->find(from, at)) {
    text->replace(at, from.size(), to);
    at += to.size();
  }
}

std::string trimmed(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return std::string(text);
}

std::string clean_latex(std::string text) {
  replace_all(&text, "\\\\", "\1");  // Ends of rows must not be taken for spaces.
  replace_all(&text, "\\bigcup", "\\cup");
  for (const char* gone : {"\\left.", "\\right.", "\\!", "\\displaystyle", "\\textstyle",
                           "\\limits", "\\bigl", "\\bigr", "\\Bigl", "\\Bigr", "\\big", "\\Big"}) {
    replace_all(&text, gone, "");
  }
  // \left and \right, but not \leftarrow.
  for (const std::string name : {"\\left", "\\right"}) {
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
      const size_t end = at + name.size();
      if (end < text.size() && is_letter(text[end])) {
        at = end;
      } else {
        text.erase(at, name.size());
      }
    }
  }
  for (const char* space : {"\\,", "\\;", "\\:", "\\ ", "\\quad", "\\qquad", "\n", "\t"}) {
    replace_all(&text, space, " ");
  }
  for (const char* fraction : {"\\dfrac", "\\tfrac", "\\cfrac"}) {
    replace_all(&text, fraction, "\\frac");
  }
  for (const char* command : {"\\mathrm{", "\\mathbf{", "\\mathit{", "\\textbf{", "\\textit{",
                              "\\boldsymbol{", "\\bold{"}) {
    unwrap(&text, command);
  }
  replace_all(&text, "\\lbrace", "\\{");
  replace_all(&text, "\\rbrace", "\\}");
  replace_all(&text, "\\lbrack", "[");
  replace_all(&text, "\\rbrack", "]");
  replace_all(&text, "\\leqslant", "\\le ");
  replace_all(&text, "\\geqslant", "\\ge ");
  replace_all(&text, "\1", "\\\\");
  text = trimmed(text);
  while (text.size() > 1 && text.front() == '$' && text.back() == '$') {
    text = trimmed(text.substr(1, text.size() - 2));
  }
  return text;
}

}  // namespace weir::rl
