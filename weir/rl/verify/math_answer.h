#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weir/rl/verify/expression.h"

namespace weir::rl {

/// An answer of school and competition mathematics, as a reader takes it.
struct MathAnswer {
  enum class Kind {
    kNothing,   ///< Not read.
    kFormula,   ///< `formula`
    kText,      ///< `text`, in lower case without decoration: a word, a choice
    kTuple,     ///< `parts` in order, with `open` and `close`: (a, b), or an interval [a, b)
    kSet,       ///< `parts` in any order: {1, 2}, "1, 2", 2 +- sqrt 3; the empty set
    kUnion,     ///< `parts` in any order: intervals
    kRelation,  ///< `parts` between `signs`: "=", "<", "<=", "ne"
    kMatrix,    ///< `parts` row by row, `n_columns`
  };
  Kind kind = Kind::kNothing;
  ExpressionPtr formula;
  bool plus = true;  ///< Which sign +- of the formula takes.
  std::string text;
  char open = '(', close = ')';
  bool is_braced = false;  ///< Of a set: {...}, not a bare list.
  std::vector<MathAnswer> parts;
  std::vector<std::string> signs;
  size_t n_columns = 0;
  std::string unit;  ///< "cm", "degree", "cm^2"; "" when none is given.
  bool is_percent = false;
  std::string base;  ///< Of 101_2: "2".
};

/// Reads the content of a box: LaTeX or plain text, with or without a unit, an "x =" and a comma
/// between thousands.
MathAnswer read_math_answer(const std::string& text);

/// Whether a careful reader accepts `answer` where `gold` is right. Stricter than strings for what
/// differs in meaning ((1,2) and [1,2], 101_2 and 101_3, 5 m and 5 cm), and indifferent to form:
/// formulas are compared as functions, lists and unions in any order, equations up to a factor,
/// an inequality with its interval, x = 5 with 5, 50 % with 50 and with 0.5. What cannot be read is
/// compared as text.
bool same_answer(const MathAnswer& gold, const MathAnswer& answer);

}  // namespace weir::rl
