#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

/// Storage formats as streams of vectors. Each has
///   kElements, kBytes      of one block (plain types: of one unrolled step);
///   part<V>(p, j, sink)    calls sink(i, w) with the values of elements i .. i + V::kWidth - 1 of
///                          the j-th 32 (kPart, where it is stated) elements of block p.
/// Layouts are ggml's, as io/dequantize.cpp describes them. Everything is a template over the
/// vector type, so that no function compiled for one instruction set can be linked into another.
namespace weir::kernels {

#define WEIR_INLINE [[gnu::always_inline]] inline

template <class Function, int... kIndex>
WEIR_INLINE void unroll_each(Function&& function, std::integer_sequence<int, kIndex...>) {
  (function(std::integral_constant<int, kIndex>{}), ...);
}

/// function(0), ..., function(N - 1), each with a compile-time index.
template <int N, class Function>
WEIR_INLINE void unroll(Function&& function) {
  unroll_each(std::forward<Function>(function), std::make_integer_sequence<int, N>{});
}

struct F32 {
  static constexpr int kElements = 32, kBytes = 128, kElementBytes = 4;
  template <class V>
  WEIR_INLINE static typename V::F vector(const uint8_t* p) {
    return V::load(reinterpret_cast<const float*>(p));
  }
  template <class V>
  WEIR_INLINE static float element(const uint8_t* p) {
    float value;
    std::memcpy(&value, p, sizeof(value));
    return value;
  }
};

struct F16 {
  static constexpr int kElements = 32, kBytes = 64, kElementBytes = 2;
  template <class V>
  WEIR_INLINE static typename V::F vector(const uint8_t* p) {
    return V::halves(p);
  }
  template <class V>
  WEIR_INLINE static float element(const uint8_t* p) {
    return V::half(p);
  }
};

struct Bf16 {
  static constexpr int kElements = 32, kBytes = 64, kElementBytes = 2;
  template <class V>
  WEIR_INLINE static typename V::F vector(const uint8_t* p) {
    return V::bfloats(p);
  }
  template <class V>
  WEIR_INLINE static float element(const uint8_t* p) {
    const uint32_t wide = static_cast<uint32_t>(p[0]) << 16 | static_cast<uint32_t>(p[1]) << 24;
    float value;
    std::memcpy(&value, &wide, sizeof(value));
    return value;
  }
};

/// A step of a plain type.
template <class V, class Format, class Sink>
WEIR_INLINE void plain_block(const uint8_t* p, Sink&& sink) {
  unroll<Format::kElements / V::kWidth>([&](auto j) __attribute__((always_inline)) {
    constexpr int i = decltype(j)::value * V::kWidth;
    sink(i, Format::template vector<V>(p + i * Format::kElementBytes));
  });
}

/// 16 bytes of two nibbles: elements j in the low ones, j + 16 in the high ones.
template <class V, class Sink>
WEIR_INLINE void nibble_block(const uint8_t* p, const typename V::Nibbles& table, Sink&& sink) {
  unroll<16 / V::kWidth>([&](auto j) __attribute__((always_inline)) {
    constexpr int i = decltype(j)::value * V::kWidth;
    const typename V::I bytes = V::bytes(p + i);
    sink(i, V::low_nibbles(bytes, table));
    sink(i + 16, V::high_nibbles(bytes, table));
  });
}

struct Q4_0 {
  static constexpr int kElements = 32, kBytes = 18;
  template <class V, class Sink>
  WEIR_INLINE static void part(const uint8_t* p, int, Sink&& sink) {
    const float d = V::half(p);
    nibble_block<V>(p + 2, V::nibbles(d, -8 * d), sink);
  }
};

struct Q4_1 {
  static constexpr int kElements = 32, kBytes = 20;
  template <class V, class Sink>
  WEIR_INLINE static void part(const uint8_t* p, int, Sink&& sink) {
    nibble_block<V>(p + 4, V::nibbles(V::half(p), V::half(p + 2)), sink);
  }
};

/// Nibbles with a fifth bit each, bit i of `fifth` for element i.
template <class V, class Sink>
WEIR_INLINE void five_bit_block(const uint8_t* fifth_bits, const uint8_t* p, float step,
                                float offset, Sink&& sink) {
  using I = typename V::I;
  int bits;
  std::memcpy(&bits, fifth_bits, sizeof(bits));
  const I fifth = V::set_int(bits);
  const I one = V::set_int(1);
  const typename V::F steps = V::set(step), offsets = V::set(offset);
  unroll<16 / V::kWidth>([&](auto j) __attribute__((always_inline)) {
    constexpr int i = decltype(j)::value * V::kWidth;
    const I bytes = V::bytes(p + i);
    const I shifts = V::add_int(V::lanes(), V::set_int(i));
    const I shifted = V::shift_right_each(fifth, shifts);
    const I first = V::template shift_left<4>(V::bits_and(shifted, one));
    const I second =
        V::template shift_left<4>(V::bits_and(V::template shift_right<16>(shifted), one));
    const I low = V::bits_or(V::bits_and(bytes, V::set_int(15)), first);
    const I high = V::bits_or(V::template shift_right<4>(bytes), second);
    sink(i, V::fma(V::to_float(low), steps, offsets));
    sink(i + 16, V::fma(V::to_float(high), steps, offsets));
  });
}

struct Q5_0 {
  static constexpr int kElements = 32, kBytes = 22;
  template <class V, class Sink>
  WEIR_INLINE static void part(const uint8_t* p, int, Sink&& sink) {
    const float d = V::half(p);
    five_bit_block<V>(p + 2, p + 6, d, -16 * d, sink);
  }
};

struct Q5_1 {
  static constexpr int kElements = 32, kBytes = 24;
  template <class V, class Sink>
  WEIR_INLINE static void part(const uint8_t* p, int, Sink&& sink) {
    five_bit_block<V>(p + 4, p + 8, V::half(p), V::half(p + 2), sink);
  }
};

struct Q8_0 {
  static constexpr int kElements = 32, kBytes = 34;
  template <class V, class Sink>
  WEIR_INLINE static void part(const uint8_t* p, int, Sink&& sink) {
    const typename V::F d = V::set(V::half(p));
    unroll<32 / V::kWidth>([&](auto j) __attribute__((always_inline)) {
      constexpr int i = decltype(j)::value * V::kWidth;
      sink(i, V::mul(V::to_float(V::signed_bytes(p + 2 + i)), d));
    });
  }
};

/// Bit pair number `pair` of kWidth bytes.
template <class V>
WEIR_INLINE typename V::I bit_pair(const uint8_t* p, int pair) {
  return V::bits_and(V::shift_right_by(V::bytes(p), 2 * pair), V::set_int(3));
}

struct Q2_K {
  static constexpr int kElements = 256, kBytes = 84;
  template <class V, class Sink>
  WEIR_INLINE static void part(const uint8_t* p, int part, Sink&& sink) {
    const float d = V::half(p + 80), dmin = V::half(p + 82);
    unroll<2>([&](auto side) __attribute__((always_inline)) {
      constexpr int start = decltype(side)::value * 16;
      const int scale = p[2 * part + decltype(side)::value];
      const typename V::F step = V::set(d * static_cast<float>(scale & 15));
      const typename V::F offset = V::set(-dmin * static_cast<float>(scale >> 4));
      unroll<16 / V::kWidth>([&](auto j) __attribute__((always_inline)) {
        constexpr int i = start + decltype(j)::value * V::kWidth;
        const typename V::F q = V::to_float(bit_pair<V>(p + 16 + part / 4 * 32 + i, part % 4));
        sink(i, V::fma(q, step, offset));
      });
    });
  }
};

struct Q3_K {
  static constexpr int kElements = 256, kBytes = 110;
  template <class V, class Sink>
  WEIR_INLINE static void part(const uint8_t* p, int part, Sink&& sink) {
    const float d = V::half(p + 108);
    const uint8_t* scales = p + 96;
    unroll<2>([&](auto side) __attribute__((always_inline)) {
      constexpr int start = decltype(side)::value * 16;
      const int group = 2 * part + decltype(side)::value;
      const int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
      const int high = (scales[8 + group % 4] >> (group / 4 * 2)) & 3;
      const float scale = d * static_cast<float>((low | high << 4) - 32);
      const typename V::F step = V::set(scale), offset = V::set(-4 * scale);
      unroll<16 / V::kWidth>([&](auto j) __attribute__((always_inline)) {
        constexpr int i = start + decltype(j)::value * V::kWidth;
        const typename V::I third =
            V::bits_and(V::shift_right_by(V::bytes(p + i), part), V::set_int(1));
        const typename V::I quant = V::bits_or(bit_pair<V>(p + 32 + part / 4 * 32 + i, part % 4),
                                               V::template shift_left<2>(third));
        sink(i, V::fma(V::to_float(quant), step, offset));
      });
    });
  }
};

/// 6-bit scale and minimum of sub-block i of Q4_K and Q5_K, times d and -dmin.
template <class V>
WEIR_INLINE void k4_scale(const uint8_t* p, int i, float* step, float* offset) {
  const uint8_t* packed = p + 4;
  const int scale = i < 4 ? packed[i] & 63 : (packed[i + 4] & 15) | (packed[i - 4] >> 6) << 4;
  const int minimum = i < 4 ? packed[i + 4] & 63 : (packed[i + 4] >> 4) | (packed[i] >> 6) << 4;
  *step = V::half(p) * static_cast<float>(scale);
  *offset = -V::half(p + 2) * static_cast<float>(minimum);
}

struct Q4_K {
  static constexpr int kElements = 256, kBytes = 144, kPart = 64;
  template <class V, class Sink>
  WEIR_INLINE static void part(const uint8_t* p, int part, Sink&& sink) {
    float step, offset;
    k4_scale<V>(p, 2 * part, &step, &offset);
    const typename V::Nibbles low = V::nibbles(step, offset);
    k4_scale<V>(p, 2 * part + 1, &step, &offset);
    const typename V::Nibbles high = V::nibbles(step, offset);
    unroll<32 / V::kWidth>([&](auto j) __attribute__((always_inline)) {
      constexpr int i = decltype(j)::value * V::kWidth;
      const typename V::I bytes = V::bytes(p + 16 + part * 32 + i);
      sink(i, V::low_nibbles(bytes, low));
      sink(32 + i, V::high_nibbles(bytes, high));
    });
  }
};

struct Q5_K {
  static constexpr int kElements = 256, kBytes = 176;
  template <class V, class Sink>
  WEIR_INLINE static void part(const uint8_t* p, int part, Sink&& sink) {
    float scale, minimum;
    k4_scale<V>(p, part, &scale, &minimum);
    const typename V::F step = V::set(scale), offset = V::set(minimum);
    unroll<32 / V::kWidth>([&](auto j) __attribute__((always_inline)) {
      constexpr int i = decltype(j)::value * V::kWidth;
      const typename V::I bytes = V::bytes(p + 48 + part / 2 * 32 + i);
      const typename V::I nibble =
          V::bits_and(V::shift_right_by(bytes, part % 2 * 4), V::set_int(15));
      const typename V::I fifth =
          V::bits_and(V::shift_right_by(V::bytes(p + 16 + i), part), V::set_int(1));
      const typename V::I quant = V::bits_or(nibble, V::template shift_left<4>(fifth));
      sink(i, V::fma(V::to_float(quant), step, offset));
    });
  }
};

struct Q6_K {
  static constexpr int kElements = 256, kBytes = 210;
  template <class V, class Sink>
  WEIR_INLINE static void part(const uint8_t* p, int part, Sink&& sink) {
    const float d = V::half(p + 208);
    const int half = part / 4, quarter = part % 4;
    unroll<2>([&](auto side) __attribute__((always_inline)) {
      constexpr int start = decltype(side)::value * 16;
      const auto factor = static_cast<int8_t>(p[192 + 2 * part + decltype(side)::value]);
      const float scale = d * static_cast<float>(factor);
      const typename V::F step = V::set(scale), offset = V::set(-32 * scale);
      unroll<16 / V::kWidth>([&](auto j) __attribute__((always_inline)) {
        constexpr int i = start + decltype(j)::value * V::kWidth;
        const typename V::I bytes = V::bytes(p + half * 64 + quarter % 2 * 32 + i);
        const typename V::I low =
            V::bits_and(V::shift_right_by(bytes, quarter / 2 * 4), V::set_int(15));
        const typename V::I high =
            V::template shift_left<4>(bit_pair<V>(p + 128 + half * 32 + i, quarter));
        sink(i, V::fma(V::to_float(V::bits_or(low, high)), step, offset));
      });
    });
  }
};

/// Properties of a format that most do not state.
template <class Format, class = void>
struct IsPlain {
  static constexpr bool value = false;
};
template <class Format>
struct IsPlain<Format, decltype(void(Format::kElementBytes))> {
  static constexpr bool value = true;
};
template <class Format, class = void>
struct Part {
  static constexpr int kElements = 32;
};
template <class Format>
struct Part<Format, decltype(void(Format::kPart))> {
  static constexpr int kElements = Format::kPart;
};

template <class V, class Format, class Sink>
WEIR_INLINE void part_of(const uint8_t* p, int part, Sink&& sink) {
  if constexpr (IsPlain<Format>::value) {
    plain_block<V, Format>(p, sink);
  } else {
    Format::template part<V>(p, part, sink);
  }
}

}  // namespace weir::kernels
