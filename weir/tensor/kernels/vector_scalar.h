#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "weir/io/dequantize.h"

namespace weir::kernels {

/// A vector of one float: the plain C++ form of every kernel and the reference of the others.
/// The names are the vocabulary that generic kernels are written in; Avx2 and Avx512 have the same.
struct Scalar {
  static constexpr int kWidth = 1;
  using F = float;
  using I = int32_t;

  static F zero() { return 0; }
  static F set(float a) { return a; }
  static F load(const float* p) {
    F value;
    std::memcpy(&value, p, sizeof(value));
    return value;
  }
  static void store(float* p, F a) { *p = a; }
  /// The first n < kWidth elements, the others 0.
  static F load_first(const float*, int) { return 0; }
  static void store_first(float*, F, int) {}

  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F div(F a, F b) { return a / b; }
  static F max(F a, F b) { return a > b ? a : b; }
  static F min(F a, F b) { return a < b ? a : b; }
  static F fma(F a, F b, F c) { return a * b + c; }
  static F sqrt(F a) { return __builtin_sqrtf(a); }
  static F abs(F a) { return a < 0 ? -a : a; }
  static F nearest(F a) { return std::nearbyint(a); }
  /// 2^n for whole n from -126 to 127.
  static F power_of_two(F n) { return std::ldexp(1.0F, static_cast<int>(n)); }
  /// a < b ? x : y, lane by lane.
  static F where_less(F a, F b, F x, F y) { return a < b ? x : y; }
  /// Bit i is set where a > b in lane i.
  static uint32_t greater_bits(F a, F b) { return a > b ? 1U : 0U; }
  static float sum(F a) { return a; }
  static float largest(F a) { return a; }

  static float half(const uint8_t* p) { return io::half_to_float(load_bits(p)); }
  static F halves(const uint8_t* p) { return half(p); }
  static F bfloats(const uint8_t* p) { return io::bfloat16_to_float(load_bits(p)); }

  /// kWidth bytes as integers.
  static I bytes(const uint8_t* p) { return *p; }
  static I signed_bytes(const uint8_t* p) { return static_cast<int8_t>(*p); }
  static I set_int(int a) { return a; }
  static I lanes() { return 0; }
  static I add_int(I a, I b) { return a + b; }
  static I bits_and(I a, I b) { return a & b; }
  static I bits_or(I a, I b) { return a | b; }
  template <int N>
  static I shift_left(I a) {
    return static_cast<I>(static_cast<uint32_t>(a) << N);
  }
  template <int N>
  static I shift_right(I a) {
    return static_cast<I>(static_cast<uint32_t>(a) >> N);
  }
  /// a[i] >> counts[i], filling with zeros; shift_right_by: the same count for all.
  static I shift_right_each(I a, I counts) {
    return static_cast<I>(static_cast<uint32_t>(a) >> counts);
  }
  static I shift_right_by(I a, int n) { return static_cast<I>(static_cast<uint32_t>(a) >> n); }
  static F to_float(I a) { return static_cast<float>(a); }

  /// The 16 values q * step + offset.
  struct Nibbles {
    F step, offset;
  };
  static Nibbles nibbles(float step, float offset) { return {step, offset}; }
  static F low_nibbles(I bytes, const Nibbles& t) {
    return fma(to_float(bytes & 15), t.step, t.offset);
  }
  static F high_nibbles(I bytes, const Nibbles& t) {
    return fma(to_float(bytes >> 4), t.step, t.offset);
  }

 private:
  static uint16_t load_bits(const uint8_t* p) {
    uint16_t bits;
    std::memcpy(&bits, p, sizeof(bits));
    return bits;
  }
};

}  // namespace weir::kernels
