#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/sae/training/golden_plan.h"
#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "weir/io/json.h"
#include "weir/sae/training/initial_sae.h"
#include "weir/sae/training/kl_divergence.h"
#include "weir/sae/training/noise.h"

namespace weir {
namespace {

// With the variance fixed and nothing sampled, the released vSAE is TopK + beta/2 ||f||^2 over all
// latents (R7, T11): gradients by autograd of that, in float64.
TEST(GoldenSaeTrainVsae, WithoutNoiseIsTopKWithAnL2Penalty) {
  if (!std::filesystem::exists(golden_topic("sae-train") / "vsae_equivalence.json")) GTEST_SKIP();
  const nlohmann::json of = io::read_json(golden_topic("sae-train") / "vsae_equivalence.json");
  const Tensors c = golden_sae_tensors("common");
  const auto as = [&](const char* name) { return c.at(name).to(at::kDouble); };
  SaeTrainingPlan plan = training_preset("vsae/topk");
  plan.settings.auxk.coefficient = 0;
  const Sae sae = golden_start(c, &plan);
  SaeStepSituation now;
  now.k = plan.config.k;
  now.kl = of.at("beta");
  const SaeGradients found =
      dense_gradients(sae, plan.settings, {as("x").select(0, 0), {}, {}}, now);
  EXPECT_NEAR(found.loss, of.at("loss").get<double>(), 1e-10 * found.loss);
  for (const auto& [name, gradient] :
       golden_weights(golden_sae_tensors("vsae_equivalence"), "grad")) {
    EXPECT_LE(max_difference(found.gradients.at(name), gradient), 1e-10) << name;
  }
}

// T12: closed forms within three standard errors of a mean over 10^6 draws.
TEST(VsaeKl, ClosedFormsMeetMonteCarlo) {
  constexpr int64_t kDraws = 1000000;
  const double mu = 0.7, log_var = -0.9, sigma = std::exp(0.5 * log_var);
  const at::Tensor z = mu + sigma * at::randn({kDraws}, at::kDouble);
  const at::Tensor log_q =
      -0.5 * ((z - mu) / sigma).square() - std::log(sigma) - 0.5 * std::log(2 * M_PI);
  const auto expect = [&](const at::Tensor& log_p, const at::Tensor& closed) {
    const at::Tensor each = log_q - log_p;
    const double error = each.std().item<double>() / std::sqrt(static_cast<double>(kDraws));
    EXPECT_NEAR(each.mean().item<double>(), closed.item<double>(), 3 * error);
  };
  const at::Tensor m = at::full({1, 1}, mu, at::kDouble),
                   l = at::full({1, 1}, log_var, at::kDouble);
  KlSettings how;
  const auto normal_log = [&](double mean, double s) {
    return -0.5 * ((z - mean) / s).square() - std::log(s) - 0.5 * std::log(2 * M_PI);
  };
  expect(normal_log(0, 1), kl_divergence(m, l, how));
  PriorParameters wide;
  wide.scale = 1.7;
  expect(normal_log(0, 1.7), kl_divergence(m, l, how, wide));
  how.prior = KlPrior::kMixture;
  wide.means = at::full({1}, -1.0, at::kDouble);
  expect(normal_log(-1, 1.7), kl_divergence(m, l, how, wide));
  expect(-z.abs() / 0.6 - std::log(2 * 0.6), laplace_kl(m, l, 0.6));
  how.prior = KlPrior::kCorrelated;
  PriorParameters one;
  one.precision = at::full({1, 1}, 2.5, at::kDouble);
  expect(normal_log(0, 1 / std::sqrt(2.5)), kl_divergence(m, l, how, one));
}

TEST(VsaeKl, SchedulesOfItsCoefficient) {
  KlSettings how;
  EXPECT_EQ(kl_factor(how, 0), 1);
  how.warmup = 10;
  EXPECT_EQ(kl_factor(how, 0), 0);
  EXPECT_EQ(kl_factor(how, 5), 0.5);
  EXPECT_EQ(kl_factor(how, 30), 1);
  how.schedule = KlSettings::Schedule::kCyclical;
  EXPECT_EQ(kl_factor(how, 10), 0);
  EXPECT_EQ(kl_factor(how, 13), 0.6);
  EXPECT_EQ(kl_factor(how, 18), 1);
}

SaeTrainingPlan small_plan() {
  SaeTrainingPlan plan = training_preset("weir/vsae_topk");
  plan.config.d_in = plan.config.d_out = 16;
  plan.config.d_sae = 64;
  plan.config.k = 4;
  return plan;
}

// Noise after the choice never changes who is chosen; before it, it does.
TEST(VsaeSampling, AfterTheChoiceKeepsTheChoice) {
  SaeTrainingPlan plan = small_plan();
  const Sae sae = initial_sae(plan.config, {});
  SaeStepSituation now;
  now.k = 4;
  const at::Tensor x = at::randn({200, 16});
  EXPECT_EQ(dense_gradients(sae, plan.settings, {x, {}, {}, 3}, now).jaccard, 1);
  plan.settings.variational.after_selection = false;
  plan.settings.kl.selected_only = false;
  Sae before = sae;
  before.config.variational.select_on = VariationalSaeConfig::SelectOn::kAbsZ;
  EXPECT_LT(dense_gradients(before, plan.settings, {x, {}, {}, 3}, now).jaccard, 0.9);
}

// Above the target it costs more with each step, below it less.
TEST(VsaeSampling, CoefficientFollowsATargetKl) {
  SaeTrainingPlan plan = small_plan();
  plan.settings.kl.coefficient = 1e-3;
  const at::Tensor x = at::randn({64, 16});
  for (const double target : {1e-3, 1e3}) {
    plan.settings.kl.target = target;
    SaeTrainer trainer(initial_sae(plan.config, {}), plan.settings);
    double before = 1e-3;
    for (int64_t i = 0; i < 5; ++i) {
      trainer.step({x, {}, {}}, i, 1e-3);
      const double now = trainer.state().at("followed")[1].item<double>();
      EXPECT_EQ(now > before, target < 1);
      before = now;
    }
  }
}

TEST(VsaeSampling, FewLatentsStartFromMany) {
  SaeConfig config;
  config.k = 8;
  SaeTrainingSettings settings;
  EXPECT_EQ(k_of_step(config, settings, 0), 8);
  settings.k_start = 40;
  settings.k_anneal = 16;
  EXPECT_EQ(k_of_step(config, settings, 0), 40);
  EXPECT_EQ(k_of_step(config, settings, 8), 24);
  EXPECT_EQ(k_of_step(config, settings, 99), 8);
}

TEST(VsaeNoise, IsNormalAndOfItsPlaceAlone) {
  const at::Tensor table = normal_table(5, 300, 400, at::kDouble);
  EXPECT_EQ(table[7][11].item<double>(), normal_at(5, 7, 11));
  EXPECT_NEAR(table.mean().item<double>(), 0, 0.01);
  EXPECT_NEAR(table.std().item<double>(), 1, 0.01);
  EXPECT_NEAR(table.pow(4).mean().item<double>(), 3, 0.1);
  EXPECT_NE(step_seed(0, 1), step_seed(0, 2));
  EXPECT_NE(step_seed(0, 1), step_seed(1, 0));
}

}  // namespace
}  // namespace weir
