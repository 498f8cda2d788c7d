#include "weir/rl/verify/rational.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace weir::rl {
namespace {

using Limbs = std::vector<uint32_t>;

bool is_less(const Limbs& a, const Limbs& b) {
  if (a.size() != b.size()) return a.size() < b.size();
  return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
}

Limbs sum(const Limbs& a, const Limbs& b) {
  Limbs out;
  uint64_t carry = 0;
  for (size_t i = 0; i < std::max(a.size(), b.size()) || carry != 0; ++i) {
    carry += (i < a.size() ? a[i] : 0ULL) + (i < b.size() ? b[i] : 0ULL);
    out.push_back(static_cast<uint32_t>(carry));
    carry >>= 32;
  }
  return out;
}

// a - b for a >= b.
Limbs difference(const Limbs& a, const Limbs& b) {
  Limbs out = a;
  int64_t borrow = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t digit = static_cast<int64_t>(out[i]) - (i < b.size() ? b[i] : 0) - borrow;
    borrow = digit < 0 ? 1 : 0;
    if (digit < 0) digit += int64_t{1} << 32;
    out[i] = static_cast<uint32_t>(digit);
  }
  return out;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

}  // namespace

BigInteger::BigInteger(int64_t value) : negative_(value < 0) {
  uint64_t size = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  for (; size != 0; size >>= 32) limbs_.push_back(static_cast<uint32_t>(size));
}

std::optional<BigInteger> BigInteger::read(std::string_view digits, int base) {
  if (digits.empty()) return std::nullopt;
  BigInteger out;
  for (const char c : digits) {
    const int digit = digit_of(c);
    if (digit >= base) return std::nullopt;
    uint64_t carry = static_cast<uint64_t>(digit);
    for (uint32_t& limb : out.limbs_) {
      carry += static_cast<uint64_t>(limb) * static_cast<uint64_t>(base);
      limb = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) out.limbs_.push_back(static_cast<uint32_t>(carry));
  }
  return out;
}

std::optional<int64_t> BigInteger::small() const {
  if (limbs_.size() > 2 || (limbs_.size() == 2 && limbs_[1] >= (1U << 30))) return std::nullopt;
  int64_t value = 0;
  for (size_t i = limbs_.size(); i-- > 0;) value = (value << 32) | limbs_[i];
  return negative_ ? -value : value;
}

long double BigInteger::mantissa(int64_t* exponent) const {
  long double value = 0;
  const size_t first = limbs_.size() > 4 ? limbs_.size() - 4 : 0;
  for (size_t i = limbs_.size(); i-- > first;) value = value * 0x1p32L + limbs_[i];
  int power = 0;
  value = std::frexp(value, &power);
  *exponent = power + static_cast<int64_t>(32 * first);
  return negative_ ? -value : value;
}

BigInteger BigInteger::operator-() const {
  BigInteger out = *this;
  out.negative_ = !negative_ && !is_zero();
  return out;
}

BigInteger operator+(const BigInteger& a, const BigInteger& b) {
  BigInteger out;
  if (a.negative_ == b.negative_) {
    out.limbs_ = sum(a.limbs_, b.limbs_);
    out.negative_ = a.negative_;
  } else {
    const bool b_is_larger = is_less(a.limbs_, b.limbs_);
    out.limbs_ = b_is_larger ? difference(b.limbs_, a.limbs_) : difference(a.limbs_, b.limbs_);
    out.negative_ = b_is_larger ? b.negative_ : a.negative_;
  }
  out.trim();
  return out;
}

BigInteger operator*(const BigInteger& a, const BigInteger& b) {
  BigInteger out;
  out.limbs_.assign(a.limbs_.size() + b.limbs_.size(), 0);
  for (size_t i = 0; i < a.limbs_.size(); ++i) {
    uint64_t carry = 0;
    for (size_t j = 0; j < b.limbs_.size() || carry != 0; ++j) {
      carry += out.limbs_[i + j];
      if (j < b.limbs_.size()) carry += static_cast<uint64_t>(a.limbs_[i]) * b.limbs_[j];
      out.limbs_[i + j] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  out.negative_ = a.negative_ != b.negative_;
  out.trim();
  return out;
}

void BigInteger::trim() {
  while (!limbs_.empty() && limbs_.back() == 0) limbs_.pop_back();
  if (limbs_.empty()) negative_ = false;
}

std::optional<Rational> Rational::read(std::string_view decimal) {
  const size_t point = decimal.find('.');
  std::string digits(decimal.substr(0, point));
  Rational out;
  if (point != std::string_view::npos) {
    const std::string_view fraction = decimal.substr(point + 1);
    digits += fraction;
    for (size_t i = 0; i < fraction.size(); ++i) out.denominator = out.denominator * 10;
  }
  const auto numerator = BigInteger::read(digits);
  if (!numerator) return std::nullopt;
  out.numerator = *numerator;
  return out;
}

long double Rational::value() const {
  int64_t up = 0, down = 0;
  const long double top = numerator.mantissa(&up), bottom = denominator.mantissa(&down);
  const int64_t power = std::clamp<int64_t>(up - down, -100000, 100000);
  return std::ldexp(top / bottom, static_cast<int>(power));
}

bool Rational::is_integer() const {
  if (denominator == BigInteger(1)) return true;
  const auto top = numerator.small(), bottom = denominator.small();
  return top && bottom && *top % *bottom == 0;
}

Rational operator+(const Rational& a, const Rational& b) {
  return {a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator};
}
Rational operator-(const Rational& a, const Rational& b) {
  return {a.numerator * b.denominator - b.numerator * a.denominator, a.denominator * b.denominator};
}
Rational operator*(const Rational& a, const Rational& b) {
  return {a.numerator * b.numerator, a.denominator * b.denominator};
}
std::optional<Rational> Rational::divide(const Rational& a, const Rational& b) {
  if (b.numerator.is_zero()) return std::nullopt;
  return Rational{a.numerator * b.denominator, a.denominator * b.numerator};
}

}  // namespace weir::rl
