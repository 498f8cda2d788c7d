#include "weir/tensor/vocab_stats.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "weir/base/error.h"

namespace weir {
namespace {

struct Case {
  at::Tensor x, W, b;
};

Case make_case(int64_t n, int64_t d, int64_t v, bool with_bias = false) {
  at::manual_seed(n * 131 + v);
  Case made{at::randn({n, d}), at::randn({d, v}) / std::sqrt(static_cast<double>(d)) * 3, {}};
  if (with_bias) made.b = at::randn({v});
  return made;
}

at::Tensor log_probs(const Case& c, double softcap = 0) {
  at::Tensor z = at::matmul(c.x.to(at::kDouble), c.W.to(at::kDouble));
  if (c.b.defined()) z = z + c.b;
  if (softcap > 0) z = (z / softcap).tanh() * softcap;
  return z.log_softmax(-1);
}

// Largest difference, relative where values exceed 1. Logits are of size 10 and sums of 50
// products in float32: 1e-5 is a few of their roundings.
constexpr double kTolerance = 1e-5;
double gap(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor exact = b.to(at::kDouble);
  const at::Tensor difference = (a.to(at::kDouble) - exact).abs();
  return (difference / exact.abs().clamp_min(1)).max().item<double>();
}

void expect_all_statistics(const Case& c, double softcap) {
  const int64_t n = c.x.size(0), v = c.W.size(1);
  VocabStatsOptions options;
  options.targets = at::randint(v, {n}, at::kLong);
  options.reference = at::randint(n, {n}, at::kLong);
  options.top_k = std::min<int64_t>(7, v);
  options.softcap = softcap;
  const VocabStats stats = vocab_stats(c.x, Matrix(c.W), c.b, options);

  const at::Tensor expected = log_probs(c, softcap);
  const at::Tensor p = expected.exp();
  EXPECT_LT(gap(stats.entropy, -(p * expected).sum(-1)), kTolerance);
  const at::Tensor of_target = expected.gather(1, options.targets.unsqueeze(1));
  EXPECT_LT(gap(stats.log_prob, of_target.squeeze(1)), kTolerance);
  // Tokens whose logits differ by float32 rounding may count as before the target or not.
  EXPECT_TRUE((stats.rank <= (expected > of_target - kTolerance).sum(-1)).all().item<bool>());
  EXPECT_TRUE((stats.rank >= (expected > of_target + kTolerance).sum(-1)).all().item<bool>());
  const at::Tensor top = std::get<0>(expected.topk(options.top_k, -1));
  EXPECT_LT(gap(stats.top_log_probs, top), kTolerance);
  EXPECT_LT(gap(expected.gather(1, stats.top_ids), top), kTolerance);
  const at::Tensor reference = expected.index_select(0, options.reference);
  // sum of p_ref (z_ref - z) + logsumexp - logsumexp_ref: the roundings of two rows, each of which
  // may be kTolerance off; which path of ATen drew the rows decides how near to it they come.
  EXPECT_LT(gap(stats.kl, (reference.exp() * (reference - expected)).sum(-1)), 2 * kTolerance);
}

TEST(VocabStats, MatchesDoublePrecision) { expect_all_statistics(make_case(33, 50, 500), 0); }
TEST(VocabStats, MatchesWithBias) { expect_all_statistics(make_case(5, 50, 777, true), 0); }
TEST(VocabStats, MatchesWithSoftcap) { expect_all_statistics(make_case(17, 50, 1000, true), 4); }
TEST(VocabStats, MatchesOneRow) { expect_all_statistics(make_case(1, 50, 3001), 0); }
TEST(VocabStats, MatchesManyTilesAndManyRows) {
  expect_all_statistics(make_case(2500, 20, 4999), 0);
}
TEST(VocabStats, MatchesMoreRowsThanOnePassTakes) {
  expect_all_statistics(make_case(16500, 8, 130), 0);
}
TEST(VocabStats, MatchesHalfPrecisionWeights) {
  const Case c = make_case(50, 64, 3000);
  const Matrix half(c.W.to(at::kBFloat16).t().contiguous().t());
  const VocabStats stats = vocab_stats(c.x, half, {}, {});
  const Case same{c.x, half.dense(), {}};
  const at::Tensor expected = log_probs(same);
  EXPECT_LT(gap(stats.entropy, -(expected.exp() * expected).sum(-1)), kTolerance);
}
TEST(VocabStats, MatchesAVocabularyOfOneToken) { expect_all_statistics(make_case(3, 8, 1), 0); }

TEST(VocabStats, SurvivesLogitsBeyondTheRangeOfExp) {
  Case c = make_case(4, 16, 5000);
  c.W = c.W * 300;
  const VocabStats stats = vocab_stats(c.x, Matrix(c.W), {}, {});
  const at::Tensor expected = log_probs(c);
  // Logits of size 3000 carry a float32 rounding of about 1e-3.
  EXPECT_LT(gap(stats.entropy, -(expected.exp() * expected).sum(-1)), 5e-3);
  EXPECT_TRUE(stats.logsumexp.isfinite().all().item<bool>());
}

TEST(VocabStats, LeavesOutWhatWasNotAsked) {
  const Case c = make_case(4, 16, 50);
  VocabStatsOptions options;
  options.entropy = false;
  const VocabStats stats = vocab_stats(c.x, Matrix(c.W), c.b, options);
  EXPECT_TRUE(stats.logsumexp.defined());
  EXPECT_FALSE(stats.entropy.defined() || stats.log_prob.defined() || stats.rank.defined() ||
               stats.top_ids.defined() || stats.kl.defined());
}

TEST(VocabStats, CountsTiesInFavourOfTheTarget) {
  Case c = make_case(6, 40, 4000);
  c.W.slice(1, 2000, 4000).copy_(c.W.slice(1, 0, 2000));
  VocabStatsOptions options;
  options.targets = at::randint(2000, {6}, at::kLong);
  const at::Tensor first = vocab_stats(c.x, Matrix(c.W), {}, options).rank;
  options.targets = options.targets + 2000;
  EXPECT_TRUE(vocab_stats(c.x, Matrix(c.W), {}, options).rank.equal(first));
  options.targets = std::get<1>(at::matmul(c.x, c.W).max(-1));
  EXPECT_EQ(vocab_stats(c.x, Matrix(c.W), {}, options).rank.max().item<int64_t>(), 0);
}

TEST(VocabStats, EqualLogitsAreUniform) {
  const Case c{at::zeros({2, 8}), at::randn({8, 3000}), {}};
  VocabStatsOptions options;
  options.targets = at::tensor({0, 2999}, at::kLong);
  options.reference = at::tensor({1, 0}, at::kLong);
  options.top_k = 3;
  const VocabStats stats = vocab_stats(c.x, Matrix(c.W), c.b, options);
  EXPECT_NEAR(stats.entropy[0].item<double>(), std::log(3000.0), 1e-5);
  EXPECT_EQ(stats.rank.max().item<int64_t>(), 0);
  EXPECT_EQ(stats.kl.abs().max().item<double>(), 0);
  EXPECT_TRUE(stats.top_ids[0].equal(at::tensor({0, 1, 2}, at::kLong)));
}

TEST(VocabStats, ARowIsItsOwnReferenceWithoutDivergence) {
  const Case c = make_case(9, 30, 2500);
  VocabStatsOptions options;
  options.reference = at::arange(9, at::kLong);
  // Row and reference come from two GEMMs, which may round differently.
  EXPECT_LT(vocab_stats(c.x, Matrix(c.W), {}, options).kl.abs().max().item<double>(), 1e-6);
}

TEST(VocabStats, AcceptsNoRows) {
  const Case c = make_case(3, 16, 50);
  EXPECT_EQ(vocab_stats(c.x.slice(0, 0, 0), Matrix(c.W), {}, {}).entropy.size(0), 0);
}

TEST(VocabStats, RefusesTargetsOutsideTheVocabulary) {
  const Case c = make_case(2, 8, 10);
  VocabStatsOptions options;
  options.targets = at::tensor({3, 10}, at::kLong);
  EXPECT_THROW(vocab_stats(c.x, Matrix(c.W), {}, options), Error);
}

}  // namespace
}  // namespace weir
