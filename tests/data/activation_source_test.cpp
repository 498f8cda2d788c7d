#include <algorithm>
#include <cmath>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/refusal.h"
#include "weir/data/tensor_activations.h"

namespace weir::data {
namespace {

std::vector<int64_t> order(int64_t n_rows, const ShuffleOptions& options, int64_t first,
                           int64_t n) {
  RowOrder order(n_rows, options);
  const at::Tensor rows = order.rows(first, n);
  return {rows.data_ptr<int64_t>(), rows.data_ptr<int64_t>() + n};
}

TEST(RowOrder, HoldsEveryRowOnceAnEpoch) {
  // Whole blocks and not, one window and many, a block larger than all.
  for (const int64_t n : {1, 5, 64, 1000, 1003}) {
    for (const int64_t block : {1, 7, 64, 5000}) {
      for (const int64_t window : {1, 50, 200, 5000}) {
        const ShuffleOptions options{true, 3, block, window, 0};
        for (const int64_t epoch : {0, 1}) {
          std::vector<int64_t> rows = order(n, options, epoch * n, n);
          std::sort(rows.begin(), rows.end());
          for (int64_t i = 0; i < n; ++i)
            ASSERT_EQ(rows[i], i) << n << " " << block << " " << window;
        }
      }
    }
  }
}

TEST(RowOrder, IsOfTheSeedAndTheEpochAlone) {
  const ShuffleOptions options{true, 3, 16, 128, 0};
  ShuffleOptions other = options;
  other.seed = 4;
  const auto rows = order(1000, options, 0, 1000);
  EXPECT_EQ(rows, order(1000, options, 0, 1000));
  EXPECT_NE(rows, order(1000, options, 1000, 1000));
  EXPECT_NE(rows, order(1000, other, 0, 1000));
  // A piece from the middle is a piece of the whole.
  EXPECT_EQ(std::vector<int64_t>(rows.begin() + 300, rows.begin() + 500),
            order(1000, options, 300, 200));
}

TEST(RowOrder, WindowsMixBlocksFromEverywhere) {
  const ShuffleOptions options{true, 1, 10, 100, 0};
  const auto rows = order(10000, options, 0, 100);
  std::set<int64_t> blocks;
  for (const int64_t row : rows) blocks.insert(row / 10);
  EXPECT_EQ(blocks.size(), 10u);  // Ten whole blocks ...
  EXPECT_GT(*blocks.rbegin() - *blocks.begin(), 100);
  int neighbours = 0;  // ... whose rows do not follow each other.
  for (size_t i = 1; i < rows.size(); ++i) neighbours += rows[i] == rows[i - 1] + 1;
  EXPECT_LT(neighbours, 20);
}

ActivationBatch made_rows(int64_t n) {
  const at::Tensor tokens = at::arange(n, at::kLong);
  const at::Tensor rows = at::stack({tokens, tokens * 2, tokens * 3}, 1).to(at::kFloat);
  return {{rows, rows.slice(1, 0, 2).to(at::kBFloat16)},
          tokens + 7,
          tokens % 5,
          tokens.floor_divide(5)};
}

TEST(TensorActivations, KeepsRowsAndTokensTogether) {
  TensorActivations source({"a", "b"}, made_rows(100), {true, 5, 4, 20, 1});
  EXPECT_EQ(source.index_of("b"), 1);
  EXPECT_EQ(source.sites()[1].width, 2);
  int64_t n = 0;
  while (true) {
    const ActivationBatch batch = source.next(33);
    if (batch.size() == 0) break;
    n += batch.size();
    EXPECT_TRUE((batch.activations[0].select(1, 0) + 7).equal(batch.tokens.to(at::kFloat)));
    EXPECT_TRUE(batch.activations[1].select(1, 0).equal(batch.activations[0].select(1, 0)));
    EXPECT_TRUE(batch.positions.equal((batch.tokens - 7) % 5));
  }
  EXPECT_EQ(n, 100);
}

TEST(TensorActivations, GoesOnFromItsState) {
  const ShuffleOptions options{true, 5, 4, 20, 0};
  TensorActivations whole({"a", "b"}, made_rows(50), options);
  whole.next(73);
  const std::string state = whole.state();
  TensorActivations resumed({"a", "b"}, made_rows(50), options);
  resumed.restore(state);
  EXPECT_TRUE(resumed.next(60).tokens.equal(whole.next(60).tokens));
  TensorActivations other({"a", "b"}, made_rows(51), options);
  EXPECT_NE(testing::refusal([&] { other.restore(state); }).find("state of activations"),
            std::string::npos);
}

TEST(ActivationStatistics, AddUpAndNormalise) {
  const at::Tensor rows = at::randn({200, 6}) + 3;
  ActivationStatistics whole, first, second;
  whole.add(rows);
  first.add(rows.slice(0, 0, 71));
  second.add(rows.slice(0, 71));
  first += second;
  EXPECT_LT((first.mean() - whole.mean()).abs().max().item<double>(), 1e-12);
  EXPECT_NEAR(first.norm_factor(), whole.norm_factor(), 1e-12);
  const at::Tensor wide = rows.to(at::kDouble);
  EXPECT_NEAR((wide / whole.norm_factor()).square().sum(1).mean().item<double>(), 1, 1e-12);
  EXPECT_NEAR((wide * whole.norm_scale()).norm(2, 1).mean().item<double>(), std::sqrt(6.0), 1e-12);
  const at::Tensor centred = wide - whole.mean();
  EXPECT_NEAR(
      whole.offset_ratio(),
      whole.mean().norm().item<double>() / std::sqrt(centred.square().sum(1).mean().item<double>()),
      1e-9);
}

}  // namespace
}  // namespace weir::data
