#pragma once

#include "weir/tensor/kernels/formats.h"
#include "weir/tensor/kernels/kernels.h"

/// Products of stored matrices with few rows of x, and plain dequantisation.
namespace weir::kernels {

template <class V, class Format>
struct Products {
  using F = typename V::F;
  static constexpr int kElements = Format::kElements;
  static constexpr int kPart = Part<Format>::kElements;
  static constexpr int kParts = kElements / kPart;
  /// Inputs taken at once when several rows of x share a pass over the weights, so that their part
  /// of x stays in the L1 cache: 8 rows of 768 floats are 24 KB.
  static constexpr int64_t kStretch = 768;
  /// Weight rows for which one packed stretch of x is used.
  static constexpr int64_t kRowsPerStretch = 256;

  static const uint8_t* bytes(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

  /// Rows of x as a product reads them. Four rows and more are interleaved vector by vector, so
  /// that one pointer with constant offsets reaches them all.
  template <int kRows>
  struct Inputs {
    static constexpr bool kIsPacked = kRows >= 4;
    const float* x;
    int64_t stride;
    const float* packed;

    WEIR_INLINE const float* at(int row, int64_t k) const {
      return kIsPacked ? packed + k * kRows + row * V::kWidth : x + row * stride + k;
    }
  };

  template <int kRows>
  static void pack(const float* x, int64_t x_stride, int64_t n, float* packed) {
    for (int64_t k = 0; k + V::kWidth <= n; k += V::kWidth) {
      for (int row = 0; row < kRows; ++row, packed += V::kWidth) {
        V::store(packed, V::load(x + row * x_stride + k));
      }
    }
  }

  /// sums[n] = W . x[n] over n_in elements. Independent accumulators hide the latency of the
  /// multiply-add.
  template <int kRows>
  WEIR_INLINE static void dot(const uint8_t* w, int64_t n_in, const Inputs<kRows>& x, float* sums) {
    constexpr int kSlots = kRows == 1 ? 4 : kRows <= 4 ? 2 : 1;
    F acc[kRows][kSlots];
    unroll<kRows>([&](auto n) __attribute__((always_inline)) {
      unroll<kSlots>([&](auto s) __attribute__((always_inline)) { acc[n][s] = V::zero(); });
    });
    int64_t k = 0;
    for (; k + kElements <= n_in; k += kElements) {
      for (int part = 0; part < kParts; ++part) {
        const int64_t first = k + part * kPart;
        part_of<V, Format>(
            w, part, [&](int i, F value) __attribute__((always_inline)) {
              unroll<kRows>([&](auto n) __attribute__((always_inline)) {
                F& sum = acc[n][i / V::kWidth % kSlots];
                sum = V::fma(value, V::load(x.at(n, first + i)), sum);
              });
            });
      }
      w += Format::kBytes;
    }
    unroll<kRows>([&](auto n) __attribute__((always_inline)) {
      F total = acc[n][0];
      for (int s = 1; s < kSlots; ++s) total = V::add(total, acc[n][s]);
      sums[n] = V::sum(total);
    });
    if constexpr (IsPlain<Format>::value) {
      for (; k < n_in; ++k) {
        const float value = Format::template element<V>(w);
        unroll<kRows>([&](auto n) { sums[n] += value * x.x[n * x.stride + k]; });
        w += Format::kElementBytes;
      }
    }
  }

  /// The part of weight rows [first, last) that starts at input k.
  template <int kRows>
  static void stretch_of(const ProductTask& t, int64_t first, int64_t last, int64_t k,
                         int64_t count, const Inputs<kRows>& x, float* y) {
    const uint8_t* w = bytes(t.rows) + first * t.row_bytes + k / kElements * Format::kBytes;
    for (int64_t r = first; r < last; ++r, w += t.row_bytes) {
      float sums[kRows];
      dot<kRows>(w, count, x, sums);
      for (int n = 0; n < kRows; ++n) {
        float& out = y[n * t.y_stride + r];
        out = k == 0 ? sums[n] : out + sums[n];
      }
    }
  }

  template <int kRows>
  static void rows_of(const ProductTask& t, const float* x, float* y) {
    if constexpr (!Inputs<kRows>::kIsPacked) {
      stretch_of<kRows>(t, 0, t.n_rows, 0, t.n_in, {x, t.x_stride, nullptr}, y);
    } else {
      float packed[kRows * kStretch];
      for (int64_t first = 0; first < t.n_rows; first += kRowsPerStretch) {
        const int64_t end = first + kRowsPerStretch;
        const int64_t last = end < t.n_rows ? end : t.n_rows;
        for (int64_t k = 0; k < t.n_in; k += kStretch) {
          const int64_t count = t.n_in - k < kStretch ? t.n_in - k : kStretch;
          pack<kRows>(x + k, t.x_stride, count, packed);
          stretch_of<kRows>(t, first, last, k, count, {x + k, t.x_stride, packed}, y);
        }
      }
    }
  }

  template <int kRows>
  static void rows_while_enough(const ProductTask& t, int64_t* n) {
    for (; t.n_x - *n >= kRows; *n += kRows) {
      rows_of<kRows>(t, t.x + *n * t.x_stride, t.y + *n * t.y_stride);
    }
  }

  /// Rows of x share a pass over the weights by eights, then fours, twos and ones.
  static void rows_times_x(const ProductTask& t) {
    int64_t n = 0;
    if constexpr (V::kWidth > 1) {
      rows_while_enough<8>(t, &n);
      rows_while_enough<4>(t, &n);
      rows_while_enough<2>(t, &n);
    }
    rows_while_enough<1>(t, &n);
  }

  /// y[n, c ..] for kVectors vectors of columns, all inputs.
  template <int kRows, int kVectors>
  WEIR_INLINE static void columns_of(const uint8_t* w, const ColumnTask& t, const float* x,
                                     float* y) {
    F acc[kRows][kVectors];
    unroll<kRows>([&](auto n) __attribute__((always_inline)) {
      unroll<kVectors>([&](auto v) __attribute__((always_inline)) { acc[n][v] = V::zero(); });
    });
    for (int64_t k = 0; k < t.n_in; ++k, w += t.row_bytes) {
      F value[kVectors];
      unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
        value[v] = Format::template vector<V>(w + v * V::kWidth * Format::kElementBytes);
      });
      unroll<kRows>([&](auto n) __attribute__((always_inline)) {
        const F factor = V::set(x[n * t.x_stride + k]);
        unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
          acc[n][v] = V::fma(value[v], factor, acc[n][v]);
        });
      });
    }
    unroll<kRows>([&](auto n) __attribute__((always_inline)) {
      unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
        V::store(y + n * t.y_stride + v * V::kWidth, acc[n][v]);
      });
    });
  }

  template <int kRows>
  static void columns_for(const ColumnTask& t, const float* x, float* y) {
    constexpr int kVectors = kRows == 1 ? 8 : 2;
    constexpr int kWide = kVectors * V::kWidth;
    int64_t c = 0;
    for (; c + kWide <= t.n_columns; c += kWide) {
      columns_of<kRows, kVectors>(bytes(t.weights) + c * Format::kElementBytes, t, x, y + c);
    }
    for (; c < t.n_columns; ++c) {
      const uint8_t* w = bytes(t.weights) + c * Format::kElementBytes;
      float sums[kRows] = {};
      for (int64_t k = 0; k < t.n_in; ++k, w += t.row_bytes) {
        const float value = Format::template element<V>(w);
        for (int n = 0; n < kRows; ++n) sums[n] += value * x[n * t.x_stride + k];
      }
      for (int n = 0; n < kRows; ++n) y[n * t.y_stride + c] = sums[n];
    }
  }

  template <int kRows>
  static void columns_while_enough(const ColumnTask& t, int64_t* n) {
    for (; t.n_x - *n >= kRows; *n += kRows) {
      columns_for<kRows>(t, t.x + *n * t.x_stride, t.y + *n * t.y_stride);
    }
  }

  static void x_times_columns(const ColumnTask& t) {
    int64_t n = 0;
    columns_while_enough<4>(t, &n);
    columns_while_enough<1>(t, &n);
  }

  static void dequantise(const std::byte* stored, int64_t n_elements, float* out) {
    const uint8_t* p = bytes(stored);
    int64_t k = 0;
    for (; k + kElements <= n_elements; k += kElements, p += Format::kBytes) {
      for (int part = 0; part < kParts; ++part) {
        part_of<V, Format>(
            p, part, [&](int i, F value) __attribute__((always_inline)) {
              V::store(out + k + part * kPart + i, value);
            });
      }
    }
    if constexpr (IsPlain<Format>::value) {
      for (; k < n_elements; ++k, p += Format::kElementBytes) {
        out[k] = Format::template element<V>(p);
      }
    }
  }

  static FormatKernels kernels() {
    FormatKernels made;
    made.rows_times_x = rows_times_x;
    if constexpr (IsPlain<Format>::value) made.x_times_columns = x_times_columns;
    made.dequantise = dequantise;
    return made;
  }
};

}  // namespace weir::kernels
