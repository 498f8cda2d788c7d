#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/tensor/kernels/isa_test.h"

namespace weir::kernels {
namespace {

class Sparse : public IsaTest {};

// Rows of odd lengths and counts, against float64.
TEST_P(Sparse, SumsAndProductsOfChosenRows) {
  for (const int64_t n : {1, 7, 16, 33, 70}) {
    for (const int64_t k : {0, 1, 3, 4, 9}) {
      const std::vector<float> rows = normal(20 * n);
      const std::vector<float> x = normal(n);
      const std::vector<float> weights = normal(k + 1);
      std::vector<int32_t> ids;
      for (int64_t i = 0; i < k; ++i) ids.push_back(static_cast<int32_t>((i * 7 + 3) % 20));
      const ChosenRows chosen{rows.data(), n, n, ids.data(), k};
      std::vector<float> sum = x, dots(static_cast<size_t>(k + 1), -1);
      table().add_rows(chosen, weights.data(), sum.data());
      table().row_dots(chosen, x.data(), dots.data());
      for (int64_t i = 0; i < n; ++i) {
        double expected = x[static_cast<size_t>(i)];
        for (int64_t j = 0; j < k; ++j) {
          expected += static_cast<double>(weights[static_cast<size_t>(j)]) *
                      rows[static_cast<size_t>(ids[static_cast<size_t>(j)] * n + i)];
        }
        EXPECT_NEAR(sum[static_cast<size_t>(i)], expected, 1e-5);
      }
      for (int64_t j = 0; j < k; ++j) {
        double expected = 0;
        for (int64_t i = 0; i < n; ++i) {
          expected += static_cast<double>(x[static_cast<size_t>(i)]) *
                      rows[static_cast<size_t>(ids[static_cast<size_t>(j)] * n + i)];
        }
        EXPECT_NEAR(dots[static_cast<size_t>(j)], expected, 1e-4);
      }
      EXPECT_EQ(dots.back(), -1);
    }
  }
}

TEST_P(Sparse, FindsWhatIsGreaterInOrder) {
  for (const size_t n : {1UL, 15UL, 16UL, 47UL, 200UL}) {
    const std::vector<float> z = normal(static_cast<int64_t>(n));
    std::vector<int32_t> ids(n), expected;
    for (const float bound : {-INFINITY, -0.5F, 0.0F, z[0], 9.0F}) {
      expected.clear();
      for (size_t i = 0; i < n; ++i) {
        if (z[i] > bound) expected.push_back(static_cast<int32_t>(i));
      }
      const int64_t found =
          table().find_greater(z.data(), static_cast<int64_t>(n), bound, ids.data());
      EXPECT_EQ(std::vector<int32_t>(ids.begin(), ids.begin() + found), expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Sparse, testing::ValuesIn(available()), isa_name);

}  // namespace
}  // namespace weir::kernels
