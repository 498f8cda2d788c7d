#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "weir/base/error.h"
#include "weir/train/adam.h"
#include "weir/train/clip.h"

namespace weir {
namespace {

at::Tensor values(std::vector<double> of) { return at::tensor(of, at::kDouble); }

TEST(Optimizer, SgdIsItsFormula) {
  const at::Tensor p = values({1.0});
  Sgd plain({p}, SgdOptions{0.5, false, 0.1});
  plain.step({values({2})}, 0.1);  // d = 2.1, u = 2.1
  EXPECT_NEAR(p.item<double>(), 1 - 0.21, 1e-15);
  plain.step({values({2})}, 0.1);  // d = 2.079, u = 1.05 + 2.079
  EXPECT_NEAR(p.item<double>(), 0.79 - 0.3129, 1e-15);
  const at::Tensor q = values({1.0});
  Sgd({q}, SgdOptions{0.5, true, 0}).step({values({2})}, 0.1);  // d + 0.5 u = 3
  EXPECT_NEAR(q.item<double>(), 0.7, 1e-15);
}

TEST(Optimizer, AdamsFirstStepIsTheRateAlongTheSign) {
  for (const bool amsgrad : {false, true}) {
    const at::Tensor p = values({1, 1});
    AdamOptions options;
    options.amsgrad = amsgrad;
    Adam({p}, options).step({values({3, -0.01})}, 0.25);
    EXPECT_NEAR(p[0].item<double>(), 0.75, 1e-6);
    EXPECT_NEAR(p[1].item<double>(), 1.25, 1e-6);
  }
}

TEST(Optimizer, AmsgradKeepsTheLargestSecondMoment) {
  const at::Tensor p = values({0.0}), q = values({0.0});
  AdamOptions options;
  options.beta1 = 0;
  options.beta2 = 0.5;
  Adam plain({p}, options);
  options.amsgrad = true;
  Adam largest({q}, options);
  for (const double g : {4.0, 0.0, 0.0, 1.0}) {
    plain.step({values({g})}, 0.1);
    largest.step({values({g})}, 0.1);
  }
  // The last update divides by sqrt of max(v) = 8 instead of v = 16 / 16 + 1 / 2.
  const double correction = 1 - std::pow(0.5, 4);
  EXPECT_NEAR(p.item<double>(), -0.1 - 0.1 / std::sqrt(1.5 / correction), 1e-6);
  EXPECT_NEAR(q.item<double>(), -0.1 - 0.1 / std::sqrt(8 / correction), 1e-6);
}

TEST(Optimizer, DecayIsCoupledOrNot) {
  AdamOptions options;
  options.weight_decay = 0.1;
  const at::Tensor coupled = values({2.0}), decoupled = values({2.0});
  Adam({coupled}, options).step({values({0})}, 0.5);
  options.decoupled = true;
  Adam({decoupled}, options).step({values({0})}, 0.5);
  EXPECT_NEAR(coupled.item<double>(), 1.5, 1e-6);  // The decay is the whole gradient.
  EXPECT_NEAR(decoupled.item<double>(), 2 * 0.95, 1e-15);
}

TEST(Optimizer, LeavesParametersWithoutGradientsAlone) {
  const at::Tensor p = values({1.0}), q = values({1.0});
  Sgd sgd({p, q}, SgdOptions{0.9, true, 0.1});
  sgd.step({at::Tensor(), values({1})}, 0.1);
  EXPECT_EQ(p.item<double>(), 1);
  EXPECT_LT(q.item<double>(), 1);
  EXPECT_THROW(sgd.step({values({1})}, 0.1), Error);
  EXPECT_THROW(sgd.step({values({1}), values({1, 2})}, 0.1), Error);
}

TEST(Optimizer, RulesSetDecayAndRateApart) {
  AdamOptions options;
  options.weight_decay = 0.1;
  options.decoupled = true;
  const at::Tensor decayed = values({2.0}), kept = values({2.0}), slow = values({2.0});
  Adam adam({decayed, kept, slow}, options);
  adam.set_rules({{}, {0, 1}, {1, 0.5}});
  adam.step({values({0}), values({0}), values({0})}, 0.5);
  EXPECT_NEAR(decayed.item<double>(), 2 * 0.95, 1e-15);
  EXPECT_EQ(kept.item<double>(), 2);
  EXPECT_NEAR(slow.item<double>(), 2 * 0.975, 1e-15);
  EXPECT_THROW(adam.set_rules({{}}), Error);
}

// One pass over memory in stretches: as each element were alone.
TEST(Optimizer, UpdatesALargeTensorAsItsElements) {
  at::manual_seed(3);
  const at::Tensor p = at::randn({301, 177}), g = at::randn({301, 177});
  const at::Tensor exact = p.to(at::kDouble);
  AdamOptions options;
  options.weight_decay = 0.1;
  options.decoupled = true;
  options.amsgrad = true;
  Adam single({p}, options), both({exact}, options);
  for (int step = 1; step < 4; ++step) {
    single.step({(g * step).t().contiguous().t()}, 0.01);
    both.step({(g * step).to(at::kDouble)}, 0.01);
  }
  EXPECT_LT((p - exact).abs().max().item<double>(), 1e-6);
}

TEST(Optimizer, GoesOnFromItsState) {
  const at::Tensor p = values({1, 2, 3});
  AdamOptions options;
  options.amsgrad = true;
  Adam first({p}, options);
  const auto gradient = [](int64_t step) { return values({1.0 / (1 + step), -2, 0.5}); };
  for (int64_t step = 0; step < 3; ++step) first.step({gradient(step)}, 0.1);
  const at::Tensor q = p.clone();
  Adam second({q}, options);
  second.load_state(first.state());
  for (int64_t step = 3; step < 6; ++step) {
    first.step({gradient(step)}, 0.1);
    second.step({gradient(step)}, 0.1);
  }
  EXPECT_TRUE(p.equal(q));
  EXPECT_THROW(Sgd({q}, {}).load_state(first.state()), Error) << "another kind";
}

TEST(Optimizer, ClipsTheNormOfAllGradientsTogether) {
  const at::Tensor a = values({3, 0}), b = values({4});
  EXPECT_NEAR(clip_gradients({a, at::Tensor(), b}, 1), 5, 1e-12);
  EXPECT_NEAR(a[0].item<double>(), 0.6, 1e-6);
  EXPECT_NEAR(b[0].item<double>(), 0.8, 1e-6);
  EXPECT_NEAR(clip_gradients({a, b}, 2), 1, 1e-6);
  EXPECT_NEAR(a[0].item<double>(), 0.6, 1e-6) << "nothing to clip";
  const at::Tensor lost = values({std::nan(""), 1});
  EXPECT_TRUE(std::isnan(clip_gradients({lost}, 1)));
  EXPECT_EQ(lost[1].item<double>(), 1) << "a norm that is none changes nothing";
}

}  // namespace
}  // namespace weir
