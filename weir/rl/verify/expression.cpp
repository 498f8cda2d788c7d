#include "weir/rl/verify/expression.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "weir/base/draw.h"

namespace weir::rl {
namespace {

using Kind = Expression::Kind;
using Complex = std::complex<long double>;

constexpr size_t kMostBits = 1 << 20;
constexpr int64_t kMostFactorial = 20000;
constexpr long double kPi = 3.14159265358979323846264338327950288L;
constexpr long double kNan = std::numeric_limits<long double>::quiet_NaN();
// long double carries 19 digits; powers and cancelling sums cost some of them.
constexpr long double kTolerance = 1e-10L;

std::optional<Rational> exact_power(const Rational& base, const Rational& exponent) {
  const auto top = exponent.numerator.small(), bottom = exponent.denominator.small();
  if (!top || !bottom || *bottom == 0 || *top % *bottom != 0) return std::nullopt;
  int64_t n = *top / *bottom;
  const size_t bits = std::max(base.numerator.n_bits(), base.denominator.n_bits());
  if (static_cast<uint64_t>(std::abs(n)) * bits > kMostBits) return std::nullopt;
  Rational of = base, result{1, 1};
  if (n < 0) {
    const auto inverse = Rational::divide({1, 1}, base);
    if (!inverse) return std::nullopt;
    of = *inverse;
    n = -n;
  }
  for (; n > 0; n >>= 1) {
    if ((n & 1) != 0) result = result * of;
    of = of * of;
  }
  return result;
}

std::optional<int64_t> small_integer(const std::optional<Rational>& of) {
  if (!of || !of->is_integer()) return std::nullopt;
  const auto top = of->numerator.small(), bottom = of->denominator.small();
  if (!top || !bottom) return std::nullopt;
  return *top / *bottom;
}

BigInteger factorial(int64_t n) {
  BigInteger result = 1;
  for (int64_t i = 2; i <= n; ++i) result = result * BigInteger(i);
  return result;
}

std::optional<Rational> exact_factorial(const std::optional<Rational>& of) {
  const auto n = small_integer(of);
  if (!n || *n < 0 || *n > kMostFactorial) return std::nullopt;
  return Rational{factorial(*n), 1};
}

std::optional<Rational> exact_function(const Expression& of, bool plus) {
  if (of.name != "binom" || of.parts.size() != 2) return std::nullopt;
  const auto n = small_integer(exact_value(*of.parts[0], plus));
  const auto k = small_integer(exact_value(*of.parts[1], plus));
  if (!n || !k || *k < 0 || *n < *k || *n > kMostFactorial) return std::nullopt;
  return Rational{factorial(*n), factorial(*k) * factorial(*n - *k)};
}

// A real number from 0.5 to 2 in size, of either sign, that depends on the name and the point.
long double point_of(const std::string& name, int64_t point) {
  uint64_t seed = 1469598103934665603ULL;
  for (const char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  Draw draw(seed + static_cast<uint64_t>(point) * 0x9e3779b97f4a7c15ULL);
  const long double size = 0.5L + 1.5L * static_cast<long double>(draw.next() >> 11) * 0x1p-53L;
  // The first points are above 0, where logarithms and roots are real.
  return point < kPoints / 2 || draw.below(2) == 0 ? size : -size;
}

bool is_finite(const Complex& z) { return std::isfinite(z.real()) && std::isfinite(z.imag()); }
bool is_real(const Complex& z) {
  return std::fabs(z.imag()) <= 1e-15L * std::max(1.0L, std::fabs(z.real()));
}

Complex power(const Complex& base, const Complex& exponent) {
  const long double n = std::round(exponent.real());
  if (is_real(exponent) && exponent.real() == n && std::fabs(n) <= 4096) {
    Complex of = base, result = 1;
    for (auto left = static_cast<int64_t>(std::fabs(n)); left > 0; left >>= 1) {
      if ((left & 1) != 0) result *= of;
      of *= of;
    }
    return n < 0 ? Complex(1) / result : result;
  }
  if (is_real(base) && is_real(exponent) && base.real() >= 0) {
    return std::pow(base.real(), exponent.real());
  }
  return std::pow(base, exponent);
}

Complex root(const Complex& of, const Complex& degree) {
  const long double n = degree.real();
  if (is_real(of) && is_real(degree) && of.real() < 0 && std::fmod(n, 2) == 1) {
    return -std::pow(-of.real(), 1 / n);  // The real root of an odd degree.
  }
  if (degree == Complex(2)) return std::sqrt(of);
  return power(of, Complex(1) / degree);
}

Complex gamma_of(const Complex& z) { return is_real(z) ? std::tgamma(z.real()) : Complex(kNan); }

struct Function {
  const char* name;
  Complex (*of)(const Complex& z);
};
const std::array<Function, 24> kFunctions = {{
    {"sin", [](const Complex& z) { return std::sin(z); }},
    {"cos", [](const Complex& z) { return std::cos(z); }},
    {"tan", [](const Complex& z) { return std::tan(z); }},
    {"cot", [](const Complex& z) { return Complex(1) / std::tan(z); }},
    {"sec", [](const Complex& z) { return Complex(1) / std::cos(z); }},
    {"csc", [](const Complex& z) { return Complex(1) / std::sin(z); }},
    {"arcsin", [](const Complex& z) { return std::asin(z); }},
    {"arccos", [](const Complex& z) { return std::acos(z); }},
    {"arctan", [](const Complex& z) { return std::atan(z); }},
    {"sinh", [](const Complex& z) { return std::sinh(z); }},
    {"cosh", [](const Complex& z) { return std::cosh(z); }},
    {"tanh", [](const Complex& z) { return std::tanh(z); }},
    {"exp", [](const Complex& z) { return std::exp(z); }},
    {"ln", [](const Complex& z) { return std::log(z); }},
    {"lg", [](const Complex& z) { return std::log10(z); }},
    {"abs", [](const Complex& z) { return Complex(std::abs(z)); }},
    {"floor", [](const Complex& z) { return Complex(std::floor(z.real())); }},
    {"ceil", [](const Complex& z) { return Complex(std::ceil(z.real())); }},
    {"Re", [](const Complex& z) { return Complex(z.real()); }},
    {"Im", [](const Complex& z) { return Complex(z.imag()); }},
    {"arg", [](const Complex& z) { return Complex(std::arg(z)); }},
    {"conj", [](const Complex& z) { return std::conj(z); }},
    {"gamma", gamma_of},
    {"sgn", [](const Complex& z) { return Complex((z.real() > 0) - (z.real() < 0)); }},
}};

Complex function_value(const Expression& of, const std::vector<Complex>& z) {
  if (of.name == "log" && z.size() == 2) return std::log(z[0]) / std::log(z[1]);
  if (of.name == "log") return std::log(z[0]);
  if (of.name == "binom" && z.size() == 2) {
    const Complex one = 1;
    return gamma_of(z[0] + one) / (gamma_of(z[1] + one) * gamma_of(z[0] - z[1] + one));
  }
  for (const Function& known : kFunctions) {
    if (of.name == known.name && z.size() == 1) return known.of(z[0]);
  }
  return kNan;
}

// A value and whether it may be compared: what exact numbers cannot be held is not.
bool are_close(const Complex& a, const Complex& b) {
  const long double size = std::max(std::abs(a), std::abs(b));
  // What cancels to 0 in one form (sin(pi)) leaves rounding in the other.
  if (size < 1e-16L && (a == Complex(0) || b == Complex(0))) return true;
  return std::abs(a - b) <= kTolerance * size;
}

}  // namespace

ExpressionPtr make_number(Rational number) {
  auto node = std::make_shared<Expression>();
  node->number = std::move(number);
  return node;
}

ExpressionPtr make_node(Kind kind, std::vector<ExpressionPtr> parts, std::string name) {
  auto node = std::make_shared<Expression>();
  node->kind = kind;
  node->parts = std::move(parts);
  node->name = std::move(name);
  return node;
}

void collect_variables(const Expression& of, std::map<std::string, int>* names) {
  if (of.kind == Kind::kVariable) ++(*names)[of.name];
  for (const ExpressionPtr& part : of.parts) collect_variables(*part, names);
}

bool has_plus_minus(const Expression& of) {
  if (of.kind == Kind::kPlusMinus) return true;
  return std::any_of(of.parts.begin(), of.parts.end(),
                     [](const ExpressionPtr& part) { return has_plus_minus(*part); });
}

std::optional<Rational> exact_value(const Expression& of, bool plus) {
  if (of.kind == Kind::kNumber) return of.number;
  if (of.kind == Kind::kFunction) return exact_function(of, plus);
  std::vector<Rational> z;
  for (const ExpressionPtr& part : of.parts) {
    auto value = exact_value(*part, plus);
    if (!value) return std::nullopt;
    const size_t bits = value->numerator.n_bits() + value->denominator.n_bits();
    if (bits > kMostBits) return std::nullopt;
    z.push_back(std::move(*value));
  }
  switch (of.kind) {
    case Kind::kSum:
      return std::accumulate(z.begin(), z.end(), Rational{});
    case Kind::kProduct:
      return std::accumulate(z.begin(), z.end(), Rational{1, 1},
                             [](const Rational& a, const Rational& b) { return a * b; });
    case Kind::kQuotient:
      return Rational::divide(z[0], z[1]);
    case Kind::kPower:
      return exact_power(z[0], z[1]);
    case Kind::kNegative:
      return Rational{} - z[0];
    case Kind::kPlusMinus:
      return plus != (of.name == "mp") ? z[0] : Rational{} - z[0];
    case Kind::kFactorial:
      return exact_factorial(z[0]);
    default:
      return std::nullopt;
  }
}

std::complex<long double> value_at(const Expression& of, int64_t point, bool plus) {
  std::vector<Complex> z;
  z.reserve(of.parts.size());
  for (const ExpressionPtr& part : of.parts) z.push_back(value_at(*part, point, plus));
  switch (of.kind) {
    case Kind::kNumber:
      return of.number.value();
    case Kind::kVariable:
      return point_of(of.name, point);
    case Kind::kConstant:
      return of.name == "pi"  ? Complex(kPi)
             : of.name == "e" ? Complex(std::exp(1.0L))
                              : Complex(0, 1);
    case Kind::kSum:
      return std::accumulate(z.begin(), z.end(), Complex(0));
    case Kind::kProduct:
      return std::accumulate(z.begin(), z.end(), Complex(1), std::multiplies<>());
    case Kind::kQuotient:
      return z[1] == Complex(0) ? Complex(kNan) : z[0] / z[1];
    case Kind::kPower:
      return power(z[0], z[1]);
    case Kind::kNegative:
      return -z[0];
    case Kind::kPlusMinus:
      return plus != (of.name == "mp") ? z[0] : -z[0];
    case Kind::kRoot:
      return root(z[0], z[1]);
    case Kind::kFunction:
      return function_value(of, z);
    case Kind::kFactorial:
      return gamma_of(z[0] + Complex(1));
    case Kind::kDegree:
      return z[0] * (kPi / 180);
  }
  return kNan;
}

bool same_value(const Expression& a, const Expression& b, bool a_plus, bool b_plus) {
  const auto x = exact_value(a, a_plus), y = exact_value(b, b_plus);
  if (x && y) return *x == *y;
  int n_compared = 0;
  for (int64_t point = 0; point < kPoints; ++point) {
    const Complex u = value_at(a, point, a_plus), v = value_at(b, point, b_plus);
    if (is_finite(u) != is_finite(v)) return false;
    if (!is_finite(u)) continue;
    // A number too small to be held may be any other one.
    if (u == Complex(0) && v == Complex(0) && (x || y)) return false;
    if (!are_close(u, v)) return false;
    ++n_compared;
  }
  return n_compared >= 3;
}

bool proportional(const Expression& a, const Expression& b, bool positive) {
  std::optional<Complex> factor;
  int n_compared = 0;
  for (int64_t point = 0; point < kPoints; ++point) {
    const Complex u = value_at(a, point), v = value_at(b, point);
    if (is_finite(u) != is_finite(v)) return false;
    if (!is_finite(u)) continue;
    if (std::abs(v) < 1e-15L || std::abs(u) < 1e-15L) {
      if (!are_close(u, v)) return false;
      continue;
    }
    const Complex ratio = u / v;
    if (!factor) factor = ratio;
    if (!are_close(ratio, *factor)) return false;
    ++n_compared;
  }
  return n_compared >= 3 && (!positive || (is_real(*factor) && factor->real() > 0));
}

}  // namespace weir::rl
