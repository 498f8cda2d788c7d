#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace weir::rl {

/// What is judged: what a model wrote after `prompt`, and what is right.
struct Completion {
  std::string prompt, text, gold;
};

/// How a judgement came about.
enum class Outcome {
  kMatch,
  kMismatch,
  kUnparsedAnswer,  ///< No answer was found, or one that cannot be read.
  kUnparsedGold,
};
std::string_view to_string(Outcome outcome);  ///< "match", "mismatch", ...

struct Judgement {
  std::optional<double> score;  ///< 1: right. Unset: does not say (a program's null).
  Outcome outcome = Outcome::kMismatch;
  std::string read;  ///< The answer that was found in the text.
};

/// Gives completions their rewards. Deterministic, and the same for a completion whatever others
/// stand beside it. Pure functions but for "program".
class Verifier {
 public:
  Verifier() = default;
  virtual ~Verifier() = default;
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  virtual std::vector<Judgement> judge(const std::vector<Completion>& completions) = 0;
  Judgement judge(const Completion& completion) { return judge(std::vector{completion})[0]; }
};

/// One by its kind and settings:
///
///   {"kind": "exact", "ignore_case", "ignore_spaces"}   the text, trimmed, is the gold one
///   {"kind": "numeric", "tolerance", "first"}   the last (or first) number of the text, within
///                                tolerance times the gold one's size; exact rationals where it is
///                                0
///   {"kind": "integer"}          the last whole number of the text
///   {"kind": "choice", "choices": "ABCD"}   the letter after the last "answer", or the only one
///   {"kind": "regex", "pattern"}    the first group (or all) of the last match is the gold text;
///                                "{gold}" in a pattern stands for the gold text itself
///   {"kind": "math"}             the last \boxed{}, as a careful reader takes it (math_answer.h)
///   {"kind": "hendrycks"}        the same by the string rule of verl 0.9.1 (boxed.h)
///   {"kind": "gsm8k"}            the number after ####; "gsm8k_strict", "gsm8k_flexible": verl's
///   {"kind": "program", "command": [...], "seconds"}    a program of one's own: reads a line
///                                {"prompt", "answer", "gold"} for each completion, writes a line
///                                {"score": x or null} for each, in order
///   {"kind": "all", "parts": [{..., "weight": 0.5}, ...]}    the weighted sum of what parts say;
///                                a part that does not say counts 0, all of them: unset
///
/// kInvalidArgument for other kinds, keys and values.
std::unique_ptr<Verifier> make_verifier(const nlohmann::json& settings);
/// All kinds, for help texts.
std::vector<std::string> verifier_kinds();

}  // namespace weir::rl
