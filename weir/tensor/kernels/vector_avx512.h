#pragma once

#include <cstdint>
#include <cstring>

#include <immintrin.h>

namespace weir::kernels {

/// Sixteen floats: AVX-512 F, BW, VL and DQ. See Scalar for what the functions mean. Full masks
/// stand where the unmasked intrinsic starts from an undefined vector, of which GCC 12 warns.
struct Avx512 {
  static constexpr int kWidth = 16;
  using F = __m512;
  using I = __m512i;

  static F zero() { return _mm512_setzero_ps(); }
  static F set(float a) { return _mm512_set1_ps(a); }
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F a) { _mm512_storeu_ps(p, a); }
  static __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1U << n) - 1); }
  static F load_first(const float* p, int n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
  static void store_first(float* p, F a, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), a); }

  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F max(F a, F b) { return _mm512_maskz_max_ps(0xffff, a, b); }
  static F min(F a, F b) { return _mm512_maskz_min_ps(0xffff, a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F sqrt(F a) { return _mm512_maskz_sqrt_ps(0xffff, a); }
  static F abs(F a) { return _mm512_abs_ps(a); }
  static F nearest(F a) { return _mm512_maskz_roundscale_ps(0xffff, a, 0); }
  static F power_of_two(F n) { return _mm512_maskz_scalef_ps(0xffff, set(1.0F), n); }
  static F where_less(F a, F b, F x, F y) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
  }
  static uint32_t greater_bits(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
  static float sum(F a) { return sum_of(lower(a), upper(a)); }
  static float largest(F a) {
    const __m256 m = _mm256_max_ps(lower(a), upper(a));
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
  }

  static float half(const uint8_t* p) {
    uint16_t bits;
    std::memcpy(&bits, p, sizeof(bits));
    return _cvtsh_ss(bits);
  }
  static F halves(const uint8_t* p) { return _mm512_maskz_cvtph_ps(0xffff, half_line(p)); }
  static F bfloats(const uint8_t* p) {
    const I wide = _mm512_maskz_cvtepu16_epi32(0xffff, half_line(p));
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(0xffff, wide, 16));
  }

  static I bytes(const uint8_t* p) { return _mm512_maskz_cvtepu8_epi32(0xffff, sixteen(p)); }
  static I signed_bytes(const uint8_t* p) { return _mm512_maskz_cvtepi8_epi32(0xffff, sixteen(p)); }
  static I set_int(int a) { return _mm512_set1_epi32(a); }
  static I lanes() {
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
  static I add_int(I a, I b) { return _mm512_add_epi32(a, b); }
  static I bits_and(I a, I b) { return _mm512_and_si512(a, b); }
  static I bits_or(I a, I b) { return _mm512_or_si512(a, b); }
  template <int N>
  static I shift_left(I a) {
    return _mm512_maskz_slli_epi32(0xffff, a, N);
  }
  template <int N>
  static I shift_right(I a) {
    return _mm512_maskz_srli_epi32(0xffff, a, N);
  }
  static I shift_right_each(I a, I counts) { return _mm512_maskz_srlv_epi32(0xffff, a, counts); }
  static I shift_right_by(I a, int n) {
    return _mm512_maskz_srl_epi32(0xffff, a, _mm_cvtsi32_si128(n));
  }
  static F to_float(I a) { return _mm512_maskz_cvtepi32_ps(0xffff, a); }

  /// The 16 values themselves: a permutation reads only the low four bits of each index.
  struct Nibbles {
    F values;
  };
  static Nibbles nibbles(float step, float offset) {
    return {fma(to_float(lanes()), set(step), set(offset))};
  }
  static F low_nibbles(I bytes, const Nibbles& t) {
    return _mm512_maskz_permutexvar_ps(0xffff, bytes, t.values);
  }
  static F high_nibbles(I bytes, const Nibbles& t) { return low_nibbles(shift_right<4>(bytes), t); }

 private:
  static __m256 lower(F a) { return _mm512_maskz_extractf32x8_ps(0xff, a, 0); }
  static __m256 upper(F a) { return _mm512_maskz_extractf32x8_ps(0xff, a, 1); }
  static float sum_of(__m256 a, __m256 b) {
    const __m256 half_sum = _mm256_add_ps(a, b);
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(half_sum), _mm256_extractf128_ps(half_sum, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  static __m128i sixteen(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static __m256i half_line(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
};

}  // namespace weir::kernels
