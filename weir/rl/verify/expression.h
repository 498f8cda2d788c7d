#pragma once

#include <complex>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/rl/verify/rational.h"

namespace weir::rl {

/// A formula as it was read. Nodes are shared and never change.
struct Expression;
using ExpressionPtr = std::shared_ptr<const Expression>;

struct Expression {
  enum class Kind {
    kNumber,     ///< `number`
    kVariable,   ///< `name`
    kConstant,   ///< `name`: "pi", "e", "i"
    kSum,        ///< of all parts
    kProduct,    ///< of all parts
    kQuotient,   ///< part 0 / part 1
    kPower,      ///< part 0 ^ part 1
    kNegative,   ///< -part 0
    kPlusMinus,  ///< +-part 0, or -+ where name is "mp"
    kRoot,       ///< part 1-th root of part 0
    kFunction,   ///< `name` of its parts: "sin", "ln", "log" (of part 0 to base part 1), ...
    kFactorial,
    kDegree,  ///< part 0 in degrees
  };
  Kind kind = Kind::kNumber;
  Rational number;
  std::string name;
  std::vector<ExpressionPtr> parts;
};

ExpressionPtr make_number(Rational number);
ExpressionPtr make_node(Expression::Kind kind, std::vector<ExpressionPtr> parts,
                        std::string name = {});

/// Names of the variables in it.
void collect_variables(const Expression& of, std::map<std::string, int>* names);
/// Whether a +- stands in it.
bool has_plus_minus(const Expression& of);

/// Its value where it is a number that whole numbers and + - * / ^ ! make: nothing for others, and
/// for numbers of more than a million bits.
std::optional<Rational> exact_value(const Expression& of, bool plus = true);

/// Its value where variables are the n-th of some fixed points (real, of both signs). Not finite
/// where it is not defined. `plus`: the sign that +- takes.
std::complex<long double> value_at(const Expression& of, int64_t point, bool plus = true);
constexpr int64_t kPoints = 10;

/// Whether two formulas are the same function of their variables: exactly where both are rational
/// numbers, else at points, to ten digits of their own size.
bool same_value(const Expression& a, const Expression& b, bool a_plus = true, bool b_plus = true);
/// Whether a = c b for a number c that is not 0 (above 0 if `positive`): equations that say the
/// same.
bool proportional(const Expression& a, const Expression& b, bool positive);

}  // namespace weir::rl
