#include "weir/data/permutation.h"

#include <cmath>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "tests/io/corruption.h"
#include "weir/data/mixture.h"

namespace weir::data {
namespace {

using io::error_of;

std::vector<int64_t> order(int64_t n, uint64_t seed, uint64_t epoch) {
  const Permutation permutation(n, seed, epoch);
  std::vector<int64_t> places(n);
  for (int64_t i = 0; i < n; ++i) places[i] = permutation.at(i);
  return places;
}

TEST(Permutation, TakesEveryPlaceOnce) {
  std::vector<int64_t> sizes = {1000, 1023, 1024, 1025, 4097, 65536, 100003};
  for (int64_t n = 1; n <= 70; ++n) sizes.push_back(n);
  for (const int64_t n : sizes) {
    for (const uint64_t seed : {0ULL, 1ULL, 12345678901234567ULL}) {
      std::vector<int64_t> places = order(n, seed, seed % 3);
      std::sort(places.begin(), places.end());
      std::vector<int64_t> all(n);
      std::iota(all.begin(), all.end(), 0);
      ASSERT_EQ(places, all) << n << " places, seed " << seed;
    }
  }
}

TEST(Permutation, DiffersBySeedAndEpoch) {
  std::set<std::vector<int64_t>> orders;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    for (uint64_t epoch = 0; epoch < 8; ++epoch) orders.insert(order(50, seed, epoch));
  }
  EXPECT_EQ(orders.size(), 64U);
  EXPECT_EQ(order(50, 3, 4), order(50, 3, 4));
}

// The mean over places of |at(i) - i| / n is 1/3 for a uniform order; its deviation for n = 10000
// is below .003. Neighbours stay neighbours with chance 2/n: 2 expected, more than 12 with chance
// 1e-7.
TEST(Permutation, LooksRandom) {
  const int64_t n = 10000;
  for (uint64_t epoch = 0; epoch < 5; ++epoch) {
    const std::vector<int64_t> places = order(n, 7, epoch);
    double distance = 0;
    int64_t n_neighbours = 0;
    for (int64_t i = 0; i < n; ++i) {
      distance += std::abs(static_cast<double>(places[i] - i)) / (static_cast<double>(n) * n);
      if (i > 0 && std::abs(places[i] - places[i - 1]) == 1) ++n_neighbours;
    }
    EXPECT_NEAR(distance, 1.0 / 3, 0.015);
    EXPECT_LE(n_neighbours, 12);
  }
}

TEST(Permutation, HoldsLargeSizes) {
  const Permutation permutation(int64_t{1} << 62, 1, 0);
  for (const int64_t place : {int64_t{0}, int64_t{1} << 40, (int64_t{1} << 62) - 1}) {
    EXPECT_GE(permutation.at(place), 0);
    EXPECT_LT(permutation.at(place), int64_t{1} << 62);
  }
  EXPECT_EQ(error_of([] { Permutation(0, 0, 0); }), ErrorCode::kInvalidArgument);
}

TEST(Mixture, HoldsItsWeightsAtAnyTime) {
  for (const std::vector<double>& weights : {std::vector<double>{1},
                                             {1, 1},
                                             {3, 1},
                                             {0.7, 0.2, 0.1},
                                             {5, 1e-9, 3, 3, 1},
                                             {1, 2, 3, 4, 5, 6, 7}}) {
    const Mixture mixture(weights);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    const auto n_sources = static_cast<double>(weights.size());
    std::vector<int64_t> given(weights.size());
    for (int64_t row = 0; row < 3 * Mixture::kPeriod; ++row) {
      const Mixture::Place place = mixture.at(row);
      ASSERT_EQ(place.index, given[place.source]++);
      for (size_t k = 0; k < weights.size(); ++k) {
        const double ahead = given[k] - mixture.share(k) * static_cast<double>(row + 1);
        ASSERT_LT(ahead, 1);
        ASSERT_GE(ahead, -(n_sources - 1) - 1e-9);
      }
    }
    for (size_t k = 0; k < weights.size(); ++k) {
      EXPECT_GT(mixture.share(k), 0);
      EXPECT_NEAR(mixture.share(k), weights[k] / sum, 1.0 / Mixture::kPeriod);
    }
  }
}

TEST(Mixture, RefusesWeightsThatAreNone) {
  for (const std::vector<double>& weights : {std::vector<double>{}, {1, 0}, {-1}, {1, INFINITY}}) {
    EXPECT_EQ(error_of([&] { Mixture{weights}; }), ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace weir::data
