#pragma once

#include <cstdint>
#include <cstring>

#include <immintrin.h>

namespace weir::kernels {

/// Eight floats: AVX2, FMA and F16C. See Scalar for what the functions mean.
struct Avx2 {
  static constexpr int kWidth = 8;
  using F = __m256;
  using I = __m256i;

  static F zero() { return _mm256_setzero_ps(); }
  static F set(float a) { return _mm256_set1_ps(a); }
  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, F a) { _mm256_storeu_ps(p, a); }
  static I first_lanes(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lanes()); }
  static F load_first(const float* p, int n) { return _mm256_maskload_ps(p, first_lanes(n)); }
  static void store_first(float* p, F a, int n) { _mm256_maskstore_ps(p, first_lanes(n), a); }

  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F sqrt(F a) { return _mm256_sqrt_ps(a); }
  static F abs(F a) { return _mm256_andnot_ps(set(-0.0F), a); }
  static F nearest(F a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static F power_of_two(F n) {
    const I biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
  }
  static F where_less(F a, F b, F x, F y) {
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static uint32_t greater_bits(F a, F b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)));
  }
  static float sum(F a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  static float largest(F a) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }

  static float half(const uint8_t* p) {
    uint16_t bits;
    std::memcpy(&bits, p, sizeof(bits));
    return _cvtsh_ss(bits);
  }
  static F halves(const uint8_t* p) { return _mm256_cvtph_ps(sixteen_bytes(p)); }
  static F bfloats(const uint8_t* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(sixteen_bytes(p)), 16));
  }

  static I bytes(const uint8_t* p) { return _mm256_cvtepu8_epi32(eight_bytes(p)); }
  static I signed_bytes(const uint8_t* p) { return _mm256_cvtepi8_epi32(eight_bytes(p)); }
  static I set_int(int a) { return _mm256_set1_epi32(a); }
  static I lanes() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
  static I add_int(I a, I b) { return _mm256_add_epi32(a, b); }
  static I bits_and(I a, I b) { return _mm256_and_si256(a, b); }
  static I bits_or(I a, I b) { return _mm256_or_si256(a, b); }
  template <int N>
  static I shift_left(I a) {
    return _mm256_slli_epi32(a, N);
  }
  template <int N>
  static I shift_right(I a) {
    return _mm256_srli_epi32(a, N);
  }
  static I shift_right_each(I a, I counts) { return _mm256_srlv_epi32(a, counts); }
  static I shift_right_by(I a, int n) { return _mm256_srl_epi32(a, _mm_cvtsi32_si128(n)); }
  static F to_float(I a) { return _mm256_cvtepi32_ps(a); }

  struct Nibbles {
    F step, offset;
  };
  static Nibbles nibbles(float step, float offset) { return {set(step), set(offset)}; }
  static F low_nibbles(I bytes, const Nibbles& t) {
    return fma(to_float(bits_and(bytes, set_int(15))), t.step, t.offset);
  }
  static F high_nibbles(I bytes, const Nibbles& t) {
    return fma(to_float(shift_right<4>(bytes)), t.step, t.offset);
  }

 private:
  static __m128i eight_bytes(const uint8_t* p) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  }
  static __m128i sixteen_bytes(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
};

}  // namespace weir::kernels
