// Differences and reseed noise, and dictionaries of known features.
#include "weir/sae/eval/comparison.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "weir/sae/eval/superposition.h"

namespace weir::testing {
namespace {

TEST(Comparison, ReseedNoiseAndDifferences) {
  const std::vector<double> a = {1.0, 1.1, 0.9, 1.05, 0.95}, same = {1.02, 0.93, 1.08, 0.97, 1.0},
                            far = {2.0, 2.1, 1.9, 2.05, 1.95};
  EXPECT_EQ(arm_difference(a, same).verdict, ArmDifference::Verdict::kNoise);
  const ArmDifference apart = arm_difference(a, far);
  EXPECT_EQ(apart.verdict, ArmDifference::Verdict::kDiffers);
  EXPECT_NEAR(apart.difference, 1, 1e-12);
  // s^2 = (.025 + .025) / 8, t_8 = 2.306
  EXPECT_NEAR(apart.half_width, 2.306 * std::sqrt(0.05 / 8 * 2 / 5), 1e-9);
  EXPECT_NEAR(apart.p_permutation, 2.0 / 252, 1e-12);  // the most extreme of C(10, 5), two-sided
  EXPECT_NEAR(arm_difference(a, a).p_permutation, 1, 1e-12);
  EXPECT_EQ(arm_difference({1}, {2}).verdict, ArmDifference::Verdict::kUnknown);
  EXPECT_TRUE(std::isnan(arm_difference({1}, {2}).half_width));
}

TEST(Comparison, IntervalOfAnArm) {
  const ArmValue value = arm_value({1.0, 2.0, 3.0});
  EXPECT_NEAR(value.interval.mean, 2, 1e-12);
  EXPECT_NEAR(value.deviation, 1, 1e-12);
  EXPECT_NEAR(value.interval.high - 2, 4.303 / std::sqrt(3.0), 1e-9);
  EXPECT_TRUE(std::isnan(arm_value({1.0}).interval.low));
}

TEST(Comparison, StudentGoesToTheNormal) {
  EXPECT_NEAR(student_t(30), 2.042, 1e-9);
  EXPECT_NEAR(student_t(31), 2.0395, 5e-4);  // tables
  EXPECT_NEAR(student_t(60), 2.0003, 5e-4);
  EXPECT_NEAR(student_t(120), 1.9799, 5e-4);
}

Sae dictionary_of(const at::Tensor& directions, double bias) {
  Sae sae;
  sae.config.d_in = sae.config.d_out = directions.size(1);
  sae.config.d_sae = directions.size(0);
  sae.config.hook = "truth";
  sae.weights = {{"W_enc", directions.t().contiguous()},
                 {"b_enc", at::full({directions.size(0)}, -bias)},
                 {"W_dec", directions},
                 {"b_dec", at::zeros({directions.size(1)})}};
  return sae;
}

TEST(Superposition, TheTrueDictionaryIsFoundAndARandomOneIsNot) {
  SuperpositionOptions options;
  options.n_features = 64;
  options.d = 32;
  options.n_samples = 4000;
  options.density = 0.02;
  const Superposition truth = make_superposition(options);
  EXPECT_NEAR((truth.sources != 0).to(at::kDouble).mean().item<double>(), 0.02, 2e-3);
  // In another order, with directions that are nobody's between them.
  const at::Tensor rows = at::cat({at::randn({40, 32}), truth.directions.flip(0)});
  const RecoveryScores found = recovery(dictionary_of(rows, 0.4), truth);
  EXPECT_NEAR(found.mcc, 1, 1e-6);
  EXPECT_EQ(found.found, 1);
  EXPECT_GT(found.recall, 0.8);
  EXPECT_GT(found.f1, 0.5);
  EXPECT_GT(found.mcc_sources, 0.8);
  const RecoveryScores random = recovery(dictionary_of(at::randn({104, 32}), 0.4), truth);
  EXPECT_LT(random.mcc, 0.7);
  EXPECT_LT(random.f1, 0.3);
  // Half a dictionary: the others count 0.
  const RecoveryScores half = recovery(dictionary_of(truth.directions.slice(0, 0, 32), 0.4), truth);
  EXPECT_NEAR(half.mcc, 0.5, 1e-6);
}

TEST(Superposition, TheSameSeedTheSameData) {
  SuperpositionOptions options;
  options.n_samples = 100;
  options.zipf = 1;
  options.noise = 0.1;
  EXPECT_TRUE(make_superposition(options).x.equal(make_superposition(options).x));
  const at::Tensor first = make_superposition(options).x;
  options.seed = 1;
  EXPECT_FALSE(make_superposition(options).x.equal(first));
}

}  // namespace
}  // namespace weir::testing
