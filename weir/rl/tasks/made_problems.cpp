#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/rl/tasks/problem.h"

namespace weir::rl {
namespace {

using Words = std::vector<std::string>;
using Make = std::function<Problem(int64_t level, Draw& draw)>;

// A number of exactly `digits` digits; 0 is one of one digit.
int64_t number_of(int64_t digits, Draw& draw) {
  int64_t most = 1;
  for (int64_t i = 0; i < digits; ++i) most *= 10;
  const int64_t least = digits == 1 ? 0 : most / 10;
  return least + static_cast<int64_t>(draw.below(static_cast<uint64_t>(most - least)));
}

std::vector<int64_t> numbers_of(size_t n, int64_t digits, Draw& draw) {
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < n; ++i) numbers.push_back(number_of(digits, draw));
  return numbers;
}

std::string letters_of(size_t n, const std::string& of, Draw& draw) {
  std::string word;
  for (size_t i = 0; i < n; ++i) word += of[draw.below(of.size())];
  return word;
}

template <typename T>
std::string spaced(const std::vector<T>& items) {
  return fmt::format("{}", fmt::join(items, " "));
}

Problem sum_of(int64_t a, int64_t b) {
  return {fmt::format("{}+{}=", a, b), fmt::format("What is {} + {}?", a, b), std::to_string(a + b),
          fmt::format("{} {}", std::min(a, b), std::max(a, b))};
}

Problem largest_of(const std::vector<int64_t>& numbers) {
  const std::string list = fmt::format("{}", fmt::join(numbers, ", "));
  std::vector<int64_t> sorted = numbers;
  std::sort(sorted.begin(), sorted.end());
  return {fmt::format("max({}) =", list), fmt::format("Which is the largest of {}?", list),
          std::to_string(sorted.back()), spaced(sorted)};
}

Problem addition(int64_t level, Draw& draw) {
  const int64_t a = number_of(level, draw);
  return sum_of(a, number_of(level, draw));
}

Problem largest(int64_t level, Draw& draw) { return largest_of(numbers_of(3, level, draw)); }

Problem comparison(int64_t level, Draw& draw) {
  std::vector<int64_t> two = numbers_of(2, level, draw);
  while (two[0] == two[1]) two = numbers_of(2, level, draw);
  const auto [low, high] = std::minmax(two[0], two[1]);
  return {fmt::format("{} or {}:", two[0], two[1]),
          fmt::format("Which is larger, {} or {}?", two[0], two[1]), std::to_string(high),
          fmt::format("{} {}", low, high)};
}

Problem copying(int64_t level, Draw& draw) {
  Words letters;
  for (int64_t i = 0; i < level + 2; ++i) {
    letters.push_back(letters_of(1, "abcdefghijklmnopqrstuvwxyz", draw));
  }
  const std::string list = spaced(letters);
  return {list + " ->", "Repeat exactly: " + list, list, list};
}

Problem picking(int64_t level, Draw& draw) {
  const std::vector<int64_t> list = numbers_of(static_cast<size_t>(level) + 2, 1, draw);
  const size_t place = draw.below(list.size());
  return {fmt::format("item {} of {}:", place + 1, spaced(list)),
          fmt::format("What is item {} of the list {}?", place + 1, spaced(list)),
          std::to_string(list[place]), fmt::format("{} of {}", place + 1, spaced(list))};
}

Problem counting(int64_t level, Draw& draw) {
  const std::string word = letters_of(static_cast<size_t>(level) + 3, "abn", draw);
  const char letter = word[draw.below(word.size())];
  return {fmt::format("count {} in {}:", letter, word),
          fmt::format("How many times does the letter {} occur in {}?", letter, word),
          std::to_string(std::count(word.begin(), word.end(), letter)),
          fmt::format("{} {}", letter, word)};
}

Problem sorting(int64_t level, Draw& draw) {
  std::vector<int64_t> list = numbers_of(static_cast<size_t>(level) + 2, 1, draw);
  const std::string given = spaced(list);
  std::sort(list.begin(), list.end());
  return {fmt::format("sort {} ->", given), fmt::format("Sort the numbers {}.", given),
          spaced(list), spaced(list)};
}

Problem reversing(int64_t level, Draw& draw) {
  const std::string word =
      letters_of(static_cast<size_t>(level) + 2, "abcdefghijklmnopqrstuvwxyz", draw);
  const std::string back(word.rbegin(), word.rend());
  return {fmt::format("reverse {}:", word), fmt::format("Write {} backwards.", word), back,
          std::min(word, back)};
}

const std::map<std::string, Make>& makers() {
  static const std::map<std::string, Make> all = {
      {"addition", addition},   {"comparison", comparison}, {"copying", copying},
      {"counting", counting},   {"largest", largest},       {"picking", picking},
      {"reversing", reversing}, {"sorting", sorting}};
  return all;
}

// Those that the measurements in the documentation were made with.
std::vector<Problem> known_shots(const std::string& kind, int64_t level) {
  if (kind == "addition" && level == 1) {
    return {sum_of(2, 3), sum_of(4, 4), sum_of(7, 1), sum_of(9, 5)};
  }
  if (kind == "largest" && level == 2) return {largest_of({12, 45, 33}), largest_of({71, 20, 54})};
  return {};
}

class MadeProblems final : public ProblemSource {
 public:
  MadeProblems(const std::string& kind, int64_t level, double test_share)
      : kind_(kind), make_(makers().at(kind)), level_(level), test_share_(test_share) {
    shots_ = known_shots(kind, level);
    Draw draw(0x5407);
    for (int tries = 0; shots_.size() < 4 && shots_.size() != 2 && tries < 1000; ++tries) {
      Problem shot = make_(level_, draw);
      if (!is_test_key(shot.key, test_share_)) shots_.push_back(std::move(shot));
    }
    for (const Problem& shot : shots_) shown_.insert(shot.key);
  }

  Problem training(uint64_t seed, int64_t index) const override {
    Draw draw(seed * 0x9e3779b97f4a7c15ULL + static_cast<uint64_t>(index));
    Problem problem = make_(level_, draw);
    for (int tries = 0; !is_training(problem.key) && tries < 1000; ++tries) {
      problem = make_(level_, draw);
    }
    return problem;
  }

  std::vector<Problem> test(int64_t n) const override {
    std::vector<Problem> problems;
    std::set<std::string> seen;
    Draw draw(0x7e57);
    for (int64_t tries = 0; tries < 200 * n + 20000; ++tries) {
      if (static_cast<int64_t>(problems.size()) >= n) break;
      Problem problem = make_(level_, draw);
      const bool is_test = is_test_key(problem.key, test_share_) && shown_.count(problem.key) == 0;
      if (is_test && seen.insert(problem.key).second) problems.push_back(std::move(problem));
    }
    return problems;
  }
  std::vector<Problem> shots() const override { return shots_; }
  std::string answer_end() const override { return "\n"; }
  nlohmann::json verifier() const override {
    static const std::set<std::string> of_numbers = {"addition", "largest", "comparison", "picking",
                                                     "counting"};
    if (of_numbers.count(kind_) != 0) return {{"kind", "numeric"}, {"first", true}};
    return {{"kind", "exact"}};
  }

 private:
  bool is_training(const std::string& key) const {
    return !is_test_key(key, test_share_) && shown_.count(key) == 0;
  }

  std::string kind_;
  Make make_;
  int64_t level_;
  double test_share_;
  std::vector<Problem> shots_;
  std::set<std::string> shown_;
};

}  // namespace

bool is_test_key(const std::string& key, double test_share) {
  uint64_t hash = 1469598103934665603ULL;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  const uint64_t mixed = Draw(hash).next();
  return static_cast<double>(mixed >> 11) * 0x1p-53 < test_share;
}

const std::vector<std::string>& made_kinds() {
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> names;
    for (const auto& [name, make] : makers()) names.push_back(name);
    return names;
  }();
  return kinds;
}

std::unique_ptr<ProblemSource> made_problems(const std::string& kind, int64_t level,
                                             double test_share) {
  require(makers().count(kind) != 0, "task: expected {}, gsm8k or math, got '{}'",
          fmt::join(made_kinds(), ", "), kind);
  require(level >= 1 && level <= 9, "task {}: expected a level from 1 to 9, got {}", kind, level);
  require(test_share > 0 && test_share < 1, "task: expected a test share between 0 and 1, got {}",
          test_share);
  return std::make_unique<MadeProblems>(kind, level, test_share);
}

std::string raw_prompt(const std::vector<Problem>& shots, const Problem& problem,
                       const std::string& answer_end) {
  std::string prompt;
  // "2+3=5" is written without spaces, everything else with one before the answer.
  const auto gap = [](const std::string& question) {
    return question.back() == '=' && question.find(' ') == std::string::npos ? "" : " ";
  };
  for (const Problem& shot : shots) {
    prompt += shot.question + gap(shot.question) + shot.gold + answer_end;
  }
  return prompt + problem.question;
}

}  // namespace weir::rl
