#include "weir/sae/harvest/harvested_activations.h"

#include <map>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/sae/harvest/made_corpus.h"
#include "tests/support/max_difference.h"

namespace weir {
namespace {

using testing::golden_model;
using testing::made_rows;

class HarvestedActivationsTest : public ::testing::Test {
 protected:
  HarvestedActivationsTest() : lm_(golden_model("gpt2")), rows_(made_rows(lm_, row_options())) {
    options_.names = {"blocks.0.hook_resid_post", "blocks.1.hook_mlp_out"};
    options_.batch_contexts = 2;
    options_.max_norm_multiple = 1.2;
  }
  static data::RowOptions row_options() {
    data::RowOptions options{12};
    options.shuffle = true;
    return options;
  }
  HarvestedActivations source(int64_t n_contexts, uint64_t seed = 0) const {
    return HarvestedActivations(lm_, rows_, options_, {5, seed, n_contexts});
  }

  LanguageModel lm_;
  data::TokenRows rows_;
  HarvestOptions options_;
};

TEST_F(HarvestedActivationsTest, HandsOutEveryRowOnceWithItsToken) {
  Harvester harvester(lm_, rows_, options_);
  // By (context, position): what the harvester gives directly, with the first buffer's limits.
  std::map<std::pair<int64_t, int64_t>, at::Tensor> expected;
  while (harvester.n_contexts() < 13) {
    const int64_t left = (harvester.n_contexts() < 5 ? 5 : 13) - harvester.n_contexts();
    const data::ActivationBatch rows = harvester.next(left).rows;
    for (int64_t i = 0; i < rows.size(); ++i) {
      expected[{rows.contexts[i].item<int64_t>(), rows.positions[i].item<int64_t>()}] =
          rows.activations[1][i];
    }
  }
  HarvestedActivations stream = source(13);
  int64_t n = 0;
  bool is_in_order = true;
  int64_t before = -1;
  while (true) {
    const data::ActivationBatch batch = stream.next(17);
    if (batch.size() == 0) break;
    for (int64_t i = 0; i < batch.size(); ++i, ++n) {
      const int64_t context = batch.contexts[i].item<int64_t>();
      const int64_t position = batch.positions[i].item<int64_t>();
      const auto found = expected.find({context, position});
      ASSERT_NE(found, expected.end());
      // Batches of other sizes at the start: sums in another order.
      EXPECT_LT(max_difference(batch.activations[1][i], found->second), 1e-5);
      EXPECT_TRUE(batch.tokens[i].equal(rows_.batch(context, 1).ids[0][position]));
      expected.erase(found);
      is_in_order = is_in_order && context * 12 + position > before;
      before = context * 12 + position;
    }
  }
  EXPECT_TRUE(expected.empty());
  EXPECT_EQ(n, stream.dropped().n_kept());
  EXPECT_FALSE(is_in_order);
}

TEST_F(HarvestedActivationsTest, IsOfItsSeedAndNotOfTheBatches) {
  HarvestedActivations a = source(0), b = source(0), other = source(0, 1);
  const data::ActivationBatch whole = a.next(90), first = b.next(31), second = b.next(59);
  EXPECT_TRUE(whole.tokens.equal(at::cat({first.tokens, second.tokens})));
  EXPECT_TRUE(whole.activations[0].equal(at::cat({first.activations[0], second.activations[0]})));
  EXPECT_FALSE(whole.tokens.equal(other.next(90).tokens));
}

TEST_F(HarvestedActivationsTest, GoesOnFromItsState) {
  HarvestedActivations a = source(0);
  a.next(101);
  HarvestedActivations b = source(0);
  b.restore(a.state());
  const data::ActivationBatch expected = a.next(80), found = b.next(80);
  EXPECT_TRUE(expected.activations[0].equal(found.activations[0]));
  EXPECT_TRUE(expected.contexts.equal(found.contexts));
}

}  // namespace
}  // namespace weir
