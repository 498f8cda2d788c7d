#include <cmath>
#include <limits>

#include "isa_test.h"

namespace weir::kernels {
namespace {

class Statistics : public IsaTest {};

const int64_t kLengths[] = {1, 5, 8, 16, 17, 100, 2048, 2051};

TEST_P(Statistics, ExponentialSumsMatchDoublePrecision) {
  for (const int64_t n : kLengths) {
    const std::vector<float> z = normal(n, 6);
    float max = -std::numeric_limits<float>::infinity();
    for (const float value : z) max = std::max(max, value);
    std::vector<float> e(n, -1);
    const ExponentialSums sums = table().exponential_sums(z.data(), n, max, e.data());
    double sum = 0, weighted = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double below = static_cast<double>(z[i]) - max;
      // The difference itself is rounded to float32: up to 4e-6 for differences near 40.
      ASSERT_NEAR(e[i], std::exp(below), 3e-6 * std::exp(below)) << below;
      sum += std::exp(below);
      weighted += std::exp(below) * below;
    }
    EXPECT_NEAR(sums.sum, sum, 2e-6 * sum);
    EXPECT_NEAR(sums.weighted, weighted, 4e-6 * std::abs(weighted) + 1e-12);
  }
}

TEST_P(Statistics, ExponentialIsAccurateOverItsWholeRange) {
  std::vector<float> z;
  for (float value = -87.2F; value <= 0; value += 0.00917F) z.push_back(value);
  const auto n = static_cast<int64_t>(z.size());
  std::vector<float> e(n);
  table().exponential_sums(z.data(), n, 0, e.data());
  for (int64_t i = 0; i < n; ++i) {
    const double expected = std::exp(static_cast<double>(z[i]));
    ASSERT_NEAR(e[i], expected, 2e-7 * expected) << z[i];
  }
}

TEST_P(Statistics, ExponentialOfMinusInfinityIsZero) {
  const std::vector<float> z = {0, -std::numeric_limits<float>::infinity(), -100, -1e30F};
  std::vector<float> e(4, -1);
  table().exponential_sums(z.data(), 4, 0, e.data());
  EXPECT_EQ(e, (std::vector<float>{1, 0, 0, 0}));
}

TEST_P(Statistics, FinishLogitsAddsBiasCapsAndFindsTheLargest) {
  for (const int64_t n : kLengths) {
    for (const float cap : {0.0F, 3.0F}) {
      const std::vector<float> z = normal(n, 4), bias = normal(n);
      std::vector<float> done = z;
      const float largest = table().finish_logits(done.data(), n, bias.data(), cap);
      double expected_largest = -std::numeric_limits<double>::infinity();
      for (int64_t i = 0; i < n; ++i) {
        double expected = static_cast<double>(z[i]) + bias[i];
        if (cap > 0) expected = cap * std::tanh(expected / cap);
        ASSERT_NEAR(done[i], expected, 1e-6 * std::max(1.0, std::abs(expected)));
        expected_largest = std::max(expected_largest, expected);
      }
      EXPECT_NEAR(largest, expected_largest, 1e-6 * std::max(1.0, std::abs(expected_largest)));
    }
  }
}

TEST_P(Statistics, FinishLogitsLeavesPlainLogitsAlone) {
  const std::vector<float> z = normal(37);
  std::vector<float> done = z;
  table().finish_logits(done.data(), 37, nullptr, 0);
  EXPECT_EQ(done, z);
}

TEST_P(Statistics, WeightedDifferenceMatchesDoublePrecision) {
  for (const int64_t n : kLengths) {
    const std::vector<float> e = normal(n), a = normal(n), b = normal(n);
    double sum = 0, size = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double term = static_cast<double>(e[i]) * (static_cast<double>(a[i]) - b[i]);
      sum += term;
      size += std::abs(term);
    }
    EXPECT_NEAR(table().weighted_difference(e.data(), a.data(), b.data(), n), sum, 1e-6 * size);
  }
}

TEST_P(Statistics, CountsOnlyTheGreater) {
  for (const int64_t n : kLengths) {
    std::vector<float> z = normal(n);
    z[n / 2] = 0.25F;
    int64_t expected = 0;
    for (const float value : z) expected += value > 0.25F ? 1 : 0;
    EXPECT_EQ(table().count_greater(z.data(), n, 0.25F), expected);
  }
}

TEST_P(Statistics, TopCandidatesAreSortedAndEarlierOnesWinTies) {
  const std::vector<float> z = {1, 5, 3, 5, 2, 4, 4, 0, -1, 5, 3};
  std::vector<float> values(4, -std::numeric_limits<float>::infinity());
  std::vector<int64_t> ids(4, -1);
  const TopCandidates top{values.data(), ids.data(), 4};
  table().offer_top(z.data(), 6, 100, top);
  table().offer_top(z.data() + 6, 5, 106, top);
  EXPECT_EQ(values, (std::vector<float>{5, 5, 5, 4}));
  EXPECT_EQ(ids, (std::vector<int64_t>{101, 103, 109, 105}));
}

INSTANTIATE_TEST_SUITE_P(Isa, Statistics, testing::ValuesIn(available()), isa_name);

}  // namespace
}  // namespace weir::kernels
