#include <cmath>
#include <cstring>

#include "isa_test.h"
#include "weir/io/dequantize.h"

namespace weir::kernels {
namespace {

using io::DType;

const DType kTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0, DType::kQ4_1,
                        DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ2_K, DType::kQ3_K,
                        DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

/// Where the half-precision scales stand in a block.
std::vector<int> scale_offsets(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kQ8_0:
      return {0};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ2_K:
      return {80, 82};
    case DType::kQ3_K:
      return {108};
    case DType::kQ6_K:
      return {208};
    default:
      return {};
  }
}

class Products : public IsaTest {
 protected:
  /// Random stored elements; scales and plain numbers are finite.
  std::vector<std::byte> stored(DType dtype, int64_t n_elements) {
    const int64_t n_blocks = n_elements / io::block_elements(dtype);
    const int64_t block = io::block_bytes(dtype);
    std::vector<std::byte> bytes(n_blocks * block);
    if (dtype == DType::kF32) {
      const std::vector<float> values = normal(n_elements);
      std::memcpy(bytes.data(), values.data(), bytes.size());
      return bytes;
    }
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random()());
    const bool plain = !io::is_block_type(dtype);
    const std::vector<int> offsets = plain ? std::vector<int>{0} : scale_offsets(dtype);
    for (int64_t i = 0; i < n_blocks; ++i) {
      for (const int offset : offsets) limit_exponent(dtype, &bytes[i * block + offset]);
    }
    return bytes;
  }

  void limit_exponent(DType dtype, std::byte* at) {
    uint16_t bits;
    std::memcpy(&bits, at, sizeof(bits));
    bits = dtype == DType::kBF16 ? (bits & 0x81ff) | 0x3e00 : (bits & 0x8fff) | 0x2000;
    std::memcpy(at, &bits, sizeof(bits));
  }
};

TEST_P(Products, DequantisesAsTheReader) {
  for (const DType dtype : kTypes) {
    const int64_t n = io::is_block_type(dtype) ? 512 : 517;
    const std::vector<std::byte> bytes = stored(dtype, n);
    std::vector<float> expected(n), values(n);
    io::dequantize(dtype, bytes.data(), n, expected.data());
    table().format(dtype)->dequantise(bytes.data(), n, values.data());
    float largest = 0;
    for (const float value : expected) largest = std::max(largest, std::abs(value));
    // Fusing q * step + offset saves one rounding of a term as large as the largest value.
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_NEAR(values[i], expected[i], largest * 1.2e-7F) << io::to_string(dtype) << " " << i;
    }
  }
}

TEST_P(Products, RowsTimesXMatchesDoublePrecision) {
  constexpr int64_t kRows = 5;
  for (const DType dtype : kTypes) {
    for (const int64_t n_in : {int64_t{256}, int64_t{1280}, int64_t{37}}) {
      if (n_in % io::block_elements(dtype) != 0) continue;
      const std::vector<std::byte> bytes = stored(dtype, kRows * n_in);
      std::vector<float> w(kRows * n_in);
      io::dequantize(dtype, bytes.data(), kRows * n_in, w.data());
      for (const int64_t n_x : {1, 2, 3, 5, 8, 15}) {
        const int64_t x_stride = n_in + 3, y_stride = kRows + 2;
        const std::vector<float> x = normal(n_x * x_stride);
        std::vector<float> y(n_x * y_stride, -1);
        table().format(dtype)->rows_times_x({bytes.data(),
                                             static_cast<int64_t>(bytes.size()) / kRows, kRows,
                                             n_in, x.data(), x_stride, n_x, y.data(), y_stride});
        for (int64_t n = 0; n < n_x; ++n) {
          for (int64_t r = 0; r < kRows; ++r) {
            double sum = 0, size = 0;
            for (int64_t k = 0; k < n_in; ++k) {
              const double term = static_cast<double>(w[r * n_in + k]) * x[n * x_stride + k];
              sum += term;
              size += std::abs(term);
            }
            // Sums of n_in / 32 float32 terms in each lane; 2e-6 is 16 roundings.
            ASSERT_NEAR(y[n * y_stride + r], sum, 2e-6 * size)
                << io::to_string(dtype) << " " << n_in << " " << n_x;
          }
          EXPECT_EQ(y[n * y_stride + kRows], -1);
        }
      }
    }
  }
}

TEST_P(Products, XTimesColumnsMatchesDoublePrecision) {
  constexpr int64_t kIn = 61;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t n_columns : {1, 7, 64, 133, 300}) {
      const std::vector<std::byte> bytes = stored(dtype, kIn * n_columns);
      std::vector<float> w(kIn * n_columns);
      io::dequantize(dtype, bytes.data(), kIn * n_columns, w.data());
      for (const int64_t n_x : {1, 3, 4, 6}) {
        const std::vector<float> x = normal(n_x * kIn);
        std::vector<float> y(n_x * n_columns, -1);
        table().format(dtype)->x_times_columns({bytes.data(), n_columns * io::block_bytes(dtype),
                                                n_columns, kIn, x.data(), kIn, n_x, y.data(),
                                                n_columns});
        for (int64_t n = 0; n < n_x; ++n) {
          for (int64_t c = 0; c < n_columns; ++c) {
            double sum = 0, size = 0;
            for (int64_t k = 0; k < kIn; ++k) {
              const double term = static_cast<double>(w[k * n_columns + c]) * x[n * kIn + k];
              sum += term;
              size += std::abs(term);
            }
            ASSERT_NEAR(y[n * n_columns + c], sum, 2e-6 * size) << io::to_string(dtype);
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Products, testing::ValuesIn(available()), isa_name);

}  // namespace
}  // namespace weir::kernels
