#include <algorithm>
#include <cctype>
#include <set>

#include <nlohmann/json.hpp>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"
#include "weir/rl/tasks/problem.h"
#include "weir/rl/verify/boxed.h"
#include "weir/rl/verify/number_answer.h"

namespace weir::rl {
namespace {

using nlohmann::json;

std::string text_of(const std::string& file) {
  const auto mapped = io::MappedFile::open(file);
  return {reinterpret_cast<const char*>(mapped->data()), mapped->size()};
}

// Objects a line, or one object {"problem": {"0": ...}, ...} of columns.
std::vector<json> records_of(const std::string& file) {
  const std::string text = text_of(file);
  std::vector<json> records;
  size_t first_end = std::min(text.find('\n'), text.size());
  const bool has_lines = text.find_first_not_of(" \r\n\t", first_end) != std::string::npos;
  if (!has_lines) {
    const json whole = io::parse_json(text, file);
    require(whole.is_object() && !whole.empty(), "{}: expected an object of columns", file);
    if (whole.begin()->is_object()) {
      for (const auto& [row, value] : whole.begin()->items()) {
        json record;
        for (const auto& [column, values] : whole.items()) {
          if (values.contains(row)) record[column] = values[row];
        }
        records.push_back(std::move(record));
      }
      return records;
    }
    return {whole};
  }
  size_t begin = 0;
  for (int64_t number = 1; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \r\t") == std::string::npos) continue;
    records.push_back(io::parse_json(line, file + ", line " + std::to_string(number)));
  }
  return records;
}

std::string plain_question(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) {
      plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return plain;
}

Problem problem_of(const std::string& kind, const json& of, const std::string& file) {
  Problem problem;
  problem.spoken = io::get_string(of, kind == "gsm8k" ? "question" : "problem", file);
  if (kind == "gsm8k") {
    problem.gold = gsm8k_answer(io::get_string(of, "answer", file));
  } else if (const auto answer = io::find_string(of, "answer", file)) {
    problem.gold = *answer;
  } else if (const auto expected = io::find_string(of, "expected_answer", file)) {
    problem.gold = *expected;
  } else {
    problem.gold = last_boxed(io::get_string(of, "solution", file)).value_or("");
  }
  problem.question = "Question: " + problem.spoken + "\nAnswer:";
  problem.key = plain_question(problem.spoken);
  return problem;
}

std::vector<Problem> problems_of(const std::string& kind, const std::string& file) {
  std::vector<Problem> problems;
  for (const json& record : records_of(file)) problems.push_back(problem_of(kind, record, file));
  return problems;
}

class ReadProblems final : public ProblemSource {
 public:
  ReadProblems(std::string kind, std::vector<Problem> training, std::vector<Problem> test)
      : kind_(std::move(kind)), training_(std::move(training)), test_(std::move(test)) {}

  /// Each problem once an epoch, in an order of its own.
  Problem training(uint64_t seed, int64_t index) const override {
    const auto n = static_cast<int64_t>(training_.size());
    require(n > 0, "task {}: no problem is left to train on", kind_);
    const int64_t epoch = index / n;
    if (epoch != shuffled_epoch_ || seed != shuffled_seed_ || order_.empty()) {
      order_.resize(training_.size());
      for (size_t i = 0; i < order_.size(); ++i) order_[i] = i;
      Draw(seed * 0x9e3779b97f4a7c15ULL + static_cast<uint64_t>(epoch)).shuffle(order_);
      shuffled_epoch_ = epoch;
      shuffled_seed_ = seed;
    }
    return training_[order_[static_cast<size_t>(index % n)]];
  }
  std::vector<Problem> test(int64_t n) const override {
    const auto size = static_cast<int64_t>(test_.size());
    return {test_.begin(), test_.begin() + std::min(n, size)};
  }
  std::vector<Problem> shots() const override { return {}; }
  std::string answer_end() const override { return kind_ == "gsm8k" ? "\nQuestion:" : ""; }
  json verifier() const override { return {{"kind", kind_}}; }

 private:
  std::string kind_;
  std::vector<Problem> training_, test_;
  mutable std::vector<size_t> order_;  ///< Of the epoch that was asked for last.
  mutable int64_t shuffled_epoch_ = -1;
  mutable uint64_t shuffled_seed_ = 0;
};

}  // namespace

std::unique_ptr<ProblemSource> read_problems(const std::string& kind, const std::string& train_file,
                                             const std::string& test_file, double test_share,
                                             int64_t* n_dropped) {
  std::vector<Problem> all = problems_of(kind, train_file), training, test;
  if (!test_file.empty()) test = problems_of(kind, test_file);
  std::set<std::string> kept_back;
  for (const Problem& problem : test) kept_back.insert(problem.key);
  *n_dropped = 0;
  for (Problem& problem : all) {
    if (test_file.empty() && is_test_key(problem.key, test_share)) {
      if (kept_back.insert(problem.key).second) test.push_back(std::move(problem));
    } else if (kept_back.count(problem.key) == 0) {
      training.push_back(std::move(problem));
    } else {
      ++*n_dropped;
    }
  }
  require(!test.empty(), "{}: expected problems to test on", train_file);
  return std::make_unique<ReadProblems>(kind, std::move(training), std::move(test));
}

}  // namespace weir::rl
