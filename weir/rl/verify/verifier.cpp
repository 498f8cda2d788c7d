#include "weir/rl/verify/verifier.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <regex>
#include <set>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/rl/verify/boxed.h"
#include "weir/rl/verify/expression_parser.h"
#include "weir/rl/verify/math_answer.h"
#include "weir/rl/verify/number_answer.h"
#include "weir/rl/verify/program_verifier.h"

namespace weir::rl {
namespace {

using nlohmann::json;

constexpr size_t kLongestRegexText = 8000;  // std::regex recurses with the text's length.

Judgement judged(bool is_right, std::string read) {
  return {is_right ? 1.0 : 0.0, is_right ? Outcome::kMatch : Outcome::kMismatch, std::move(read)};
}
Judgement unread(Outcome outcome) { return {0.0, outcome, ""}; }

/// One completion at a time.
class Rule final : public Verifier {
 public:
  using Function = std::function<Judgement(const Completion&)>;
  explicit Rule(Function function) : function_(std::move(function)) {}
  std::vector<Judgement> judge(const std::vector<Completion>& completions) override {
    std::vector<Judgement> all;
    for (const Completion& of : completions) all.push_back(function_(of));
    return all;
  }

 private:
  Function function_;
};

std::string plain(std::string text, bool ignore_case, bool ignore_spaces) {
  text = trimmed(text);
  if (ignore_case) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (ignore_spaces) {
    text.erase(std::remove_if(text.begin(), text.end(),
                              [](unsigned char c) { return std::isspace(c) != 0; }),
               text.end());
  }
  return text;
}

Rule::Function exact(const json& of) {
  const bool no_case = io::find_bool(of, "ignore_case").value_or(false);
  const bool no_spaces = io::find_bool(of, "ignore_spaces").value_or(false);
  return [=](const Completion& c) {
    const std::string read = plain(c.text, no_case, no_spaces);
    return judged(read == plain(c.gold, no_case, no_spaces), trimmed(c.text));
  };
}

Judgement by_number(const std::string& read, const std::string& gold, double tolerance) {
  const auto right = read_plain_number(last_number(gold));
  if (!right) return unread(Outcome::kUnparsedGold);
  const auto found = read_plain_number(read);
  if (!found) return unread(Outcome::kUnparsedAnswer);
  if (tolerance == 0) return judged(*found == *right, read);
  const long double size = std::max(std::fabs(right->value()), std::fabs(found->value()));
  return judged(std::fabs(found->value() - right->value()) <= tolerance * size, read);
}

// The first number of a text: what comes before it says nothing.
std::string first_number(const std::string& text) {
  size_t end = text.find_first_of("0123456789");
  if (end == std::string::npos) return "";
  while (end < text.size() && std::string("0123456789.,/").find(text[end]) != std::string::npos) {
    ++end;
  }
  return last_number(text.substr(0, end));
}

Rule::Function numeric(const json& of) {
  const double tolerance = io::find_double(of, "tolerance").value_or(0);
  const bool first = io::find_bool(of, "first").value_or(false);
  require(tolerance >= 0, "verifier numeric: expected a tolerance of 0 or more, got {}", tolerance);
  return [=](const Completion& c) {
    return by_number(first ? first_number(c.text) : last_number(c.text), c.gold, tolerance);
  };
}

Rule::Function integer(const json&) {
  return [](const Completion& c) {
    static const std::regex whole(R"(-?\d+)");
    const std::string text =
        c.text.substr(c.text.size() - std::min(c.text.size(), kLongestRegexText));
    std::string last;
    for (std::sregex_iterator at(text.begin(), text.end(), whole), end; at != end; ++at) {
      last = at->str();
    }
    return by_number(last, c.gold, 0);
  };
}

Rule::Function choice(const json& of) {
  const std::string letters = io::find_string(of, "choices").value_or("ABCDE");
  require(!letters.empty() && std::all_of(letters.begin(), letters.end(),
                                          [](unsigned char c) { return std::isupper(c) != 0; }),
          "verifier choice: expected choices as capital letters, got '{}'", letters);
  const std::regex after(R"((?:[Aa]nswer|[Cc]hoice|[Oo]ption)(?:\s+is)?\s*:?\s*[\(\*]*([)" +
                         letters + R"(])(?![A-Za-z]))");
  const std::regex alone(R"((?:^|[^A-Za-z])([)" + letters + R"(])(?![A-Za-z]))");
  return [=](const Completion& c) {
    const std::string text =
        c.text.substr(c.text.size() - std::min(c.text.size(), kLongestRegexText));
    std::string found;
    for (std::sregex_iterator at(text.begin(), text.end(), after), end; at != end; ++at) {
      found = at->str(1);
    }
    if (found.empty()) {
      std::set<std::string> seen;
      for (std::sregex_iterator at(text.begin(), text.end(), alone), end; at != end; ++at) {
        seen.insert(at->str(1));
      }
      if (seen.size() == 1) found = *seen.begin();
    }
    if (found.empty()) return unread(Outcome::kUnparsedAnswer);
    return judged(found == plain(c.gold, false, true), found);
  };
}

std::string quoted(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (std::string(R"(\^$.|?*+()[]{})").find(c) != std::string::npos) result += '\\';
    result += c;
  }
  return result;
}

Rule::Function regex(const json& of) {
  const std::string pattern = io::get_string(of, "pattern", "verifier regex");
  const bool has_gold = pattern.find("{gold}") != std::string::npos;
  const auto compile = [](const std::string& text) {
    try {
      return std::regex(text);
    } catch (const std::regex_error& error) {
      fail(ErrorCode::kInvalidArgument, "verifier regex: '{}' is no regular expression: {}", text,
           error.what());
    }
  };
  std::string checked = pattern;
  replace_all(&checked, "{gold}", "gold");
  const std::regex fixed = compile(checked);
  return [=](const Completion& c) {
    std::string with_gold = pattern;
    replace_all(&with_gold, "{gold}", quoted(c.gold));
    const std::regex& wanted = has_gold ? compile(with_gold) : fixed;
    const std::string text =
        c.text.substr(c.text.size() - std::min(c.text.size(), kLongestRegexText));
    std::optional<std::string> last;
    for (std::sregex_iterator at(text.begin(), text.end(), wanted), end; at != end; ++at) {
      last = at->size() > 1 ? at->str(1) : at->str();
    }
    if (!last) return unread(Outcome::kUnparsedAnswer);
    return judged(has_gold || trimmed(*last) == trimmed(c.gold), *last);
  };
}

Rule::Function math(const json&) {
  return [](const Completion& c) {
    const auto read = last_boxed(c.text);
    if (!read) return unread(Outcome::kUnparsedAnswer);
    const MathAnswer gold = read_math_answer(last_boxed(c.gold).value_or(c.gold));
    const MathAnswer answer = read_math_answer(*read);
    Judgement result = judged(same_answer(gold, answer), *read);
    if (*result.score == 0 && gold.kind == MathAnswer::Kind::kNothing) {
      result.outcome = Outcome::kUnparsedGold;
    } else if (*result.score == 0 && answer.kind == MathAnswer::Kind::kNothing) {
      result.outcome = Outcome::kUnparsedAnswer;
    }
    return result;
  };
}

Rule::Function by_hendrycks(const json&) {
  return [](const Completion& c) {
    const auto read = hendrycks::last_boxed(c.text);
    if (!read) return unread(Outcome::kUnparsedAnswer);
    return judged(hendrycks::is_equal(*read, c.gold), *read);
  };
}

Rule::Function gsm8k(const json&) {
  return
      [](const Completion& c) { return by_number(gsm8k_answer(c.text), gsm8k_answer(c.gold), 0); };
}

Rule::Function by_string(std::optional<std::string> (*reads)(const std::string&)) {
  return [reads](const Completion& c) {
    const auto read = reads(c.text);
    return read ? judged(*read == c.gold, *read) : unread(Outcome::kUnparsedAnswer);
  };
}

struct Kind {
  std::set<std::string> keys;
  std::function<Rule::Function(const json&)> make;
};

const std::map<std::string, Kind>& rules() {
  static const std::map<std::string, Kind> all = {
      {"exact", {{"ignore_case", "ignore_spaces"}, exact}},
      {"numeric", {{"tolerance", "first"}, numeric}},
      {"integer", {{}, integer}},
      {"choice", {{"choices"}, choice}},
      {"regex", {{"pattern"}, regex}},
      {"math", {{}, math}},
      {"hendrycks", {{}, by_hendrycks}},
      {"gsm8k", {{}, gsm8k}},
      {"gsm8k_strict", {{}, [](const json&) { return by_string(gsm8k_strict); }}},
      {"gsm8k_flexible", {{}, [](const json&) { return by_string(gsm8k_flexible); }}}};
  return all;
}

/// The weighted sum of several.
class Composed final : public Verifier {
 public:
  explicit Composed(const json& settings) {
    const auto parts = settings.find("parts");
    require(parts != settings.end() && parts->is_array() && !parts->empty(),
            "verifier all: expected a list 'parts'");
    for (json part : *parts) {
      weights_.push_back(io::find_double(part, "weight").value_or(1));
      part.erase("weight");
      parts_.push_back(make_verifier(part));
    }
  }
  std::vector<Judgement> judge(const std::vector<Completion>& completions) override {
    std::vector<Judgement> sums(completions.size());
    for (size_t p = 0; p < parts_.size(); ++p) {
      const std::vector<Judgement> said = parts_[p]->judge(completions);
      for (size_t i = 0; i < said.size(); ++i) {
        if (p == 0 || sums[i].read.empty()) sums[i].read = said[i].read;
        if (p == 0) sums[i].outcome = said[i].outcome;
        if (said[i].score) sums[i].score = sums[i].score.value_or(0) + weights_[p] * *said[i].score;
      }
    }
    return sums;
  }

 private:
  std::vector<std::unique_ptr<Verifier>> parts_;
  std::vector<double> weights_;
};

void check_keys(const json& settings, const std::set<std::string>& known, const std::string& kind) {
  for (const auto& [key, value] : settings.items()) {
    require(key == "kind" || known.count(key) != 0, "verifier {}: no setting '{}' (it has: {})",
            kind, key, known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
  }
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kMatch:
      return "match";
    case Outcome::kMismatch:
      return "mismatch";
    case Outcome::kUnparsedAnswer:
      return "unparsed_answer";
    default:
      return "unparsed_gold";
  }
}

std::unique_ptr<Verifier> make_verifier(const json& settings) {
  require(settings.is_object(), "verifier: expected a table with a 'kind'");
  const std::string kind = io::get_string(settings, "kind", "verifier");
  if (kind == "all") {
    check_keys(settings, {"parts"}, kind);
    return std::make_unique<Composed>(settings);
  }
  if (kind == "program") {
    check_keys(settings, {"command", "seconds"}, kind);
    return make_program_verifier(settings);
  }
  const auto rule = rules().find(kind);
  require(rule != rules().end(), "verifier: expected a kind of {}, got '{}'",
          fmt::join(verifier_kinds(), ", "), kind);
  check_keys(settings, rule->second.keys, kind);
  return std::make_unique<Rule>(rule->second.make(settings));
}

std::vector<std::string> verifier_kinds() {
  std::vector<std::string> names = {"all", "program"};
  for (const auto& [name, kind] : rules()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace weir::rl
