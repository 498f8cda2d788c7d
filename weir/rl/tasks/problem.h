#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace weir::rl {

/// A question and what is right.
struct Problem {
  std::string question;  ///< As it stands in a raw prompt: "3+4=".
  std::string spoken;    ///< As a user would ask it: "What is 3 + 4?"
  std::string gold;
  std::string
      key;  ///< Names the problem: equal for those that teach each other's answer (3+4, 4+3).
};

/// Problems of two kinds that never meet: those to train on and those to be tested on.
class ProblemSource {
 public:
  virtual ~ProblemSource() = default;
  /// Number `index` of the stream (seed) of training problems; the same numbers, the same problem.
  virtual Problem training(uint64_t seed, int64_t index) const = 0;
  /// Up to `n` different test problems, always the same ones.
  virtual std::vector<Problem> test(int64_t n) const = 0;
  /// Solved problems that stand before the question in a raw prompt; none is a test problem.
  virtual std::vector<Problem> shots() const = 0;
  virtual std::string answer_end() const = 0;  ///< What ends an answer in a raw prompt: "\n".
  /// How answers are judged unless somebody says otherwise (verify/verifier.h).
  virtual nlohmann::json verifier() const = 0;
};

/// Problems that are made, by `level` 1, 2, ...: numbers of so many digits, or lists of so many
/// things more.
///
///   addition      "3+4="; at level 1 with the shots of the measurements in the documentation
///   largest       "max(12, 45, 33) =" -> "45": numbers of `level` digits
///   comparison    "12 or 45:" -> "45", the larger
///   copying       "k d s ->" -> "k d s"
///   picking       "item 2 of 4 7 2:" -> "7"
///   counting      "count a in banana:" -> "3"
///   sorting       "sort 3 1 2 ->" -> "1 2 3"
///   reversing     "reverse abc:" -> "cba": too hard for small models, which is its use
///
/// A problem is a test problem by a hash of its key: a share of about `test_share` of all there
/// are. kInvalidArgument for other names and levels outside 1 .. 9.
std::unique_ptr<ProblemSource> made_problems(const std::string& kind, int64_t level,
                                             double test_share = 0.2);
const std::vector<std::string>& made_kinds();

/// Problems of files. "gsm8k": lines {"question", "answer"}; "math": lines or one JSON object of
/// columns with "problem" and "answer", "expected_answer" or "solution" (whose box is taken).
/// Without a test file a share is kept back by a hash of the question. Training problems whose
/// question, but for spaces and case, is a test question are left out; `n_dropped` says how many.
std::unique_ptr<ProblemSource> read_problems(const std::string& kind, const std::string& train_file,
                                             const std::string& test_file, double test_share,
                                             int64_t* n_dropped);

/// A raw prompt: the shots with their answers, then the question.
std::string raw_prompt(const std::vector<Problem>& shots, const Problem& problem,
                       const std::string& answer_end);

/// Whether a key belongs to the test problems.
bool is_test_key(const std::string& key, double test_share);

}  // namespace weir::rl
