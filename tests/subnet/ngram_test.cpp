#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "tests/support/max_difference.h"
#include "tests/support/refusal.h"
#include "weir/io/safetensors.h"
#include "weir/subnet/ngram_counter.h"
#include "weir/tensor/convert.h"

namespace weir::testing {
namespace {

NgramModel counted(const at::Tensor& tokens, NgramCountOptions options) {
  NgramCounter counter(options);
  counter.add_rows(tokens);
  EXPECT_EQ(counter.n_tokens(), tokens.numel());
  return counter.finish();
}

void expect_same(const NgramModel& a, const NgramModel& b) {
  ASSERT_EQ(a.order(), b.order());
  for (int64_t order = 1; order <= a.order(); ++order) {
    EXPECT_TRUE(a.level(order).context.equal(b.level(order).context)) << order;
    EXPECT_TRUE(a.level(order).start.equal(b.level(order).start)) << order;
    EXPECT_TRUE(a.level(order).id.equal(b.level(order).id)) << order;
    EXPECT_TRUE(a.level(order).count.equal(b.level(order).count)) << order;
    EXPECT_TRUE(a.level(order).total.equal(b.level(order).total)) << order;
  }
}

// A buffer of 1024 n-grams (the least) makes dozens of runs of 40,000 tokens.
TEST(NgramCounter, CountsTheSameInRunsOfAnySize) {
  const at::Tensor tokens = at::randint(60, {40, 1000}, at::kLong);
  NgramCountOptions options;
  options.order = 3;
  options.vocabulary = 70;
  const NgramModel at_once = counted(tokens, options);
  options.buffer_bytes = 0;
  expect_same(at_once, counted(tokens, options));
  const io::TemporaryFolder folder;
  options.scratch = folder.path();
  expect_same(at_once, counted(tokens, options));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(NgramCounter, CountsLowerOrdersAsMarginals) {
  const at::Tensor tokens = at::randint(20, {10, 50}, at::kLong);
  NgramCountOptions options;
  options.order = 3;
  options.vocabulary = 20;
  const NgramModel model = counted(tokens, options);
  for (int64_t order = 1; order <= 3; ++order) {
    EXPECT_EQ(model.level(order).count.sum().item<int64_t>(), tokens.numel());
  }
}

TEST(NgramCounter, CanBeUsedAgain) {
  NgramCountOptions options;
  options.vocabulary = 5;
  NgramCounter counter(options);
  const at::Tensor tokens = at::randint(5, {2, 9}, at::kLong);
  counter.add_rows(tokens);
  const NgramModel first = counter.finish();
  counter.add_rows(tokens);
  expect_same(first, counter.finish());
}

TEST(NgramCounter, RefusesWhatDoesNotFit) {
  NgramCountOptions options;
  options.vocabulary = 1 << 20;
  options.order = 4;
  EXPECT_NE(refusal([&] { NgramCounter counter(options); }).find("63 bits"), std::string::npos);
  options.order = 2;
  options.vocabulary = 5;
  NgramCounter counter(options);
  EXPECT_NE(refusal([&] {
              counter.add_rows(at::full({1, 1}, 5, at::kLong));
            }).find("token id 5"),
            std::string::npos);
}

TEST(NgramModel, SurvivesItsFile) {
  const io::TemporaryFolder folder;
  const at::Tensor tokens = at::randint(30, {8, 40}, at::kLong);
  NgramCountOptions options;
  options.order = 3;
  options.vocabulary = 40;
  const NgramModel model = counted(tokens, options);
  const auto file = folder.path() / "ngrams.safetensors";
  model.save(file, {{"corpus", "random"}});
  expect_same(model, NgramModel::load(file));
}

TEST(NgramModel, RefusesBrokenFiles) {
  const io::TemporaryFolder folder;
  const auto file = folder.path() / "broken.safetensors";
  const at::Tensor start = at::tensor(std::vector<int64_t>{0, 1, 3, 2}, at::kLong);
  io::write_safetensors(
      file, {to_view("unigram.count", at::ones({2}, at::kLong)), to_view("bigram.row_ptr", start),
             to_view("bigram.ids", at::zeros({2}, at::kInt)),
             to_view("bigram.count", at::ones({2}, at::kInt))});
  try {
    NgramModel::load(file);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
  }
}

TEST(NgramModel, IsUniformWhereNothingWasCounted) {
  NgramCountOptions options;
  options.vocabulary = 8;
  const NgramModel model = NgramCounter(options).finish();
  const at::Tensor tokens = at::randint(8, {2, 3}, at::kLong);
  EXPECT_LT(max_difference(model.probabilities(tokens), at::full({2, 3}, 1.0 / 8, at::kDouble)),
            1e-15);
  const at::Tensor table = NgramModel::dense(model.next_token(tokens), 8);
  EXPECT_LT(max_difference(table, at::full({6, 8}, 1.0 / 8, at::kDouble)), 1e-15);
}

}  // namespace
}  // namespace weir::testing
