#pragma once

#include "weir/tensor/kernels/functions.h"
#include "weir/tensor/kernels/kernels.h"

/// Sums and products with few chosen rows of a matrix, four rows at a time: the other operand is
/// then read and written a quarter as often.
namespace weir::kernels {

template <class V>
struct Sparse {
  using F = typename V::F;

  static void add_rows(const ChosenRows& t, const float* weights, float* out) {
    int64_t k = 0;
    for (; k + 4 <= t.k; k += 4) {
      const float *a = row(t, k), *b = row(t, k + 1), *c = row(t, k + 2), *d = row(t, k + 3);
      const F wa = V::set(weights[k]), wb = V::set(weights[k + 1]);
      const F wc = V::set(weights[k + 2]), wd = V::set(weights[k + 3]);
      for_vectors<V>(out, t.n, [&](int64_t i, F sum, int count) {
        sum = V::fma(wa, load_some<V>(a + i, count), sum);
        sum = V::fma(wb, load_some<V>(b + i, count), sum);
        sum = V::fma(wc, load_some<V>(c + i, count), sum);
        sum = V::fma(wd, load_some<V>(d + i, count), sum);
        store_some<V>(out + i, sum, count);
      });
    }
    for (; k < t.k; ++k) {
      const float* a = row(t, k);
      const F wa = V::set(weights[k]);
      for_vectors<V>(out, t.n, [&](int64_t i, F sum, int count) {
        store_some<V>(out + i, V::fma(wa, load_some<V>(a + i, count), sum), count);
      });
    }
  }

  static void row_dots(const ChosenRows& t, const float* x, float* out) {
    int64_t k = 0;
    for (; k + 4 <= t.k; k += 4) {
      const float *a = row(t, k), *b = row(t, k + 1), *c = row(t, k + 2), *d = row(t, k + 3);
      F sa = V::zero(), sb = V::zero(), sc = V::zero(), sd = V::zero();
      for_vectors<V>(x, t.n, [&](int64_t i, F v, int count) {
        sa = V::fma(v, load_some<V>(a + i, count), sa);
        sb = V::fma(v, load_some<V>(b + i, count), sb);
        sc = V::fma(v, load_some<V>(c + i, count), sc);
        sd = V::fma(v, load_some<V>(d + i, count), sd);
      });
      out[k] = V::sum(sa);
      out[k + 1] = V::sum(sb);
      out[k + 2] = V::sum(sc);
      out[k + 3] = V::sum(sd);
    }
    for (; k < t.k; ++k) {
      const float* a = row(t, k);
      F sum = V::zero();
      for_vectors<V>(x, t.n, [&](int64_t i, F v, int count) {
        sum = V::fma(v, load_some<V>(a + i, count), sum);
      });
      out[k] = V::sum(sum);
    }
  }

  static int64_t find_greater(const float* z, int64_t n, float threshold, int32_t* ids) {
    const F least = V::set(threshold);
    int64_t found = 0;
    for_vectors<V>(z, n, [&](int64_t i, F a, int count) {
      uint32_t bits = V::greater_bits(a, least);
      if (count < V::kWidth) bits &= (1U << count) - 1;
      for (; bits != 0; bits &= bits - 1) {
        ids[found++] = static_cast<int32_t>(i) + __builtin_ctz(bits);
      }
    });
    return found;
  }

 private:
  static const float* row(const ChosenRows& t, int64_t k) { return t.rows + t.ids[k] * t.stride; }
};

}  // namespace weir::kernels
