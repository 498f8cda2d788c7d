#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace weir::rl {

/// An integer of any size. Only what comparing answers needs: no division but by small numbers.
class BigInteger {
 public:
  BigInteger(int64_t value = 0);
  /// Digits of a base from 2 to 36, without a sign; nothing when one is no digit of it.
  static std::optional<BigInteger> read(std::string_view digits, int base = 10);

  bool is_zero() const { return limbs_.empty(); }
  bool is_negative() const { return negative_; }
  size_t n_bits() const { return 32 * limbs_.size(); }
  /// Its value where an int64 between -2^62 and 2^62 holds it.
  std::optional<int64_t> small() const;
  /// value = mantissa * 2^exponent, with a mantissa of 0 or from 0.5 to 1 in size.
  long double mantissa(int64_t* exponent) const;

  BigInteger operator-() const;
  friend BigInteger operator+(const BigInteger& a, const BigInteger& b);
  friend BigInteger operator-(const BigInteger& a, const BigInteger& b) { return a + -b; }
  friend BigInteger operator*(const BigInteger& a, const BigInteger& b);
  friend bool operator==(const BigInteger& a, const BigInteger& b) {
    return a.negative_ == b.negative_ && a.limbs_ == b.limbs_;
  }

 private:
  void trim();
  std::vector<uint32_t> limbs_;  ///< Lowest first; none for 0.
  bool negative_ = false;
};

/// A fraction of two such integers, never reduced: fractions are compared by their cross products.
struct Rational {
  BigInteger numerator, denominator = 1;

  /// "12", "0.5", ".5", "7."; nothing for other texts.
  static std::optional<Rational> read(std::string_view decimal);
  /// 0 and out of range beyond what a long double holds.
  long double value() const;
  bool is_integer() const;

  friend Rational operator+(const Rational& a, const Rational& b);
  friend Rational operator-(const Rational& a, const Rational& b);
  friend Rational operator*(const Rational& a, const Rational& b);
  /// Nothing for b = 0.
  static std::optional<Rational> divide(const Rational& a, const Rational& b);
  friend bool operator==(const Rational& a, const Rational& b) {
    return a.numerator * b.denominator == b.numerator * a.denominator;
  }
};

}  // namespace weir::rl
