#include "weir/embed/match.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/max_difference.h"
#include "weir/base/error.h"
#include "weir/embed/assignment.h"

namespace weir {
namespace {

/// Over all ways to give each of the fewer a partner.
double least_cost(const at::Tensor& cost) {
  const at::Tensor wide = (cost.size(0) > cost.size(1) ? cost.t() : cost).contiguous();
  std::vector<int64_t> columns(wide.size(1));
  std::iota(columns.begin(), columns.end(), 0);
  double least = INFINITY;
  do {
    double sum = 0;
    for (int64_t i = 0; i < wide.size(0); ++i) sum += wide[i][columns[i]].item<double>();
    least = std::min(least, sum);
  } while (std::next_permutation(columns.begin(), columns.end()));
  return least;
}

TEST(AssignmentTest, IsTheCheapestOfAll) {
  for (const auto& [rows, columns] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {4, 4}, {6, 6}, {3, 6}, {6, 3}, {1, 5}}) {
    for (int round = 0; round < 4; ++round) {
      // Whole numbers: many ties. Negative ones too.
      const at::Tensor cost = round % 2 == 0 ? at::randn({rows, columns}, at::kDouble)
                                             : at::randint(-3, 4, {rows, columns}, at::kDouble);
      const std::vector<int64_t> found = cheapest_assignment(cost);
      double sum = 0;
      int64_t n_pairs = 0;
      std::vector<int64_t> taken;
      for (int64_t i = 0; i < rows; ++i) {
        if (found[i] < 0) continue;
        sum += cost[i][found[i]].item<double>();
        taken.push_back(found[i]);
        ++n_pairs;
      }
      std::sort(taken.begin(), taken.end());
      EXPECT_TRUE(std::adjacent_find(taken.begin(), taken.end()) == taken.end());
      EXPECT_EQ(n_pairs, std::min(rows, columns));
      EXPECT_NEAR(sum, least_cost(cost), 1e-12) << rows << " x " << columns;
    }
  }
}

TEST(AssignmentTest, LargeOnesHavePricesThatProveThem) {
  // The classical hard case: cost i * j is cheapest in opposite order.
  constexpr int64_t kSize = 200;
  const at::Tensor numbers = at::arange(kSize).to(at::kDouble);
  const std::vector<int64_t> found =
      cheapest_assignment(numbers.unsqueeze(1) * numbers.unsqueeze(0));
  for (int64_t i = 0; i < kSize; ++i) EXPECT_EQ(found[i], kSize - 1 - i);
}

TEST(AssignmentTest, RefusesWhatHasNoCost) {
  EXPECT_THROW(cheapest_assignment(at::full({2, 2}, NAN)), Error);
  EXPECT_THROW(cheapest_assignment(at::zeros({2})), Error);
}

TEST(MatchTest, FindsAPermutedDictionaryAgain) {
  const at::Tensor a = at::randn({50, 16});
  const at::Tensor order = at::randperm(50);
  // Lengths do not matter, a little noise neither.
  const at::Tensor b = (a + 0.05 * at::randn({50, 16})).index_select(0, order) * 3;
  const DictionaryMatch found = match(cosines(a, b));
  for (int64_t i = 0; i < 50; ++i) EXPECT_EQ(order[found.partner[i]].item<int64_t>(), i);
  EXPECT_GT(found.mcc, 0.99);
  EXPECT_LT(max_difference(found.best_of_a, found.similarity), 1e-12);
}

TEST(MatchTest, TwoFeaturesDoNotShareAPartner) {
  // Both rows of a look like b's first; greedily both would take it.
  const at::Tensor similarity = at::tensor({0.9, 0.2, 0.8, 0.7}, at::kDouble).view({2, 2});
  const DictionaryMatch found = match(similarity);
  EXPECT_EQ(found.partner, (std::vector<int64_t>{0, 1}));
  EXPECT_DOUBLE_EQ(found.mcc, 0.8);
  EXPECT_DOUBLE_EQ(found.best_of_a[1].item<double>(), 0.8);
  EXPECT_DOUBLE_EQ(found.best_of_b[1].item<double>(), 0.7);
}

TEST(MatchTest, SmallerDictionariesLeaveSomeAlone) {
  const at::Tensor b = at::randn({5, 8});
  const at::Tensor a = at::cat({at::randn({2, 8}), b});
  const DictionaryMatch found = match(cosines(a, b));
  EXPECT_EQ(std::count(found.partner.begin(), found.partner.end(), -1), 2);
  EXPECT_EQ(at::isnan(found.similarity).sum().item<int64_t>(), 2);
  EXPECT_NEAR(found.mcc, 1, 1e-6);
}

TEST(MatchTest, CorrelationsAreThoseOfColumns) {
  const at::Tensor a = at::randn({400, 3}, at::kDouble);
  const at::Tensor b = at::stack(
      {a.select(1, 2) * -2 + 5, at::full({400}, 0.1, at::kDouble), a.select(1, 0) + a.select(1, 1)},
      1);
  const at::Tensor found = correlations(a, b);
  EXPECT_NEAR(found[2][0].item<double>(), -1, 1e-12);
  EXPECT_EQ(found.select(1, 1).abs().max().item<double>(), 0);  // constant up to rounding
  const at::Tensor direct = at::corrcoef(at::cat({a, b.slice(1, 2)}, 1).t());
  EXPECT_LT(max_difference(found.select(1, 2), direct.slice(0, 0, 3).select(1, 3)), 1e-12);
}

}  // namespace
}  // namespace weir
