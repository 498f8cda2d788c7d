#include "weir/sae/training/sparse_step.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "weir/sae/training/chosen_rows.h"
#include "weir/sae/training/initial_sae.h"
#include "weir/sae/training/presets.h"
#include "weir/sae/training/sae_trainer.h"

namespace weir {
namespace {

// float32 sums of some hundred terms.
constexpr double kFloat = 2e-5;

SaeTrainingPlan plan_of(const std::string& preset, int64_t d, int64_t n_latents, double k) {
  SaeTrainingPlan plan = training_preset(preset);
  plan.config.d_in = plan.config.d_out = d;
  plan.config.d_sae = n_latents;
  plan.config.k = k;
  plan.settings.dead.threshold = 1;
  return plan;
}

Sae random_sae(const SaeConfig& config) {
  Sae sae = initial_sae(config, {});
  for (auto& [name, weight] : sae.weights) {
    if (name != "threshold") weight.add_(0.05 * at::randn_like(weight));
  }
  return sae;
}

Sae as_double(Sae sae) {
  for (auto& [name, weight] : sae.weights) weight = weight.to(at::kDouble);
  return sae;
}

double relative(const at::Tensor& found, const at::Tensor& expected) {
  const double size = expected.norm().item<double>();
  return (found.to(at::kDouble) - expected).norm().item<double>() / std::max(size, 1e-12);
}

// The sparse way in float32 and in float64 against autograd in float64.
void compare(const SaeTrainingPlan& plan, int64_t n_rows) {
  const Sae sae = random_sae(plan.config);
  const Sae exact = as_double(sae);
  ASSERT_TRUE(has_sparse_step(sae, plan.settings));
  const at::Tensor x = at::randn({n_rows, plan.config.d_in}) + 0.3;
  // The last third never fires enough: dead unless it fires now.
  const at::Tensor suspects = at::arange(plan.config.d_sae) >= 2 * plan.config.d_sae / 3;
  SaeStepSituation now;
  now.k = plan.config.k;
  now.kl = 0.1;
  now.keeps_tensors = true;
  now.may_be_dead = suspects;
  now.dead = [&](const at::Tensor& fired) { return suspects.logical_and(fired.logical_not()); };
  const SaeGradients dense =
      dense_gradients(exact, plan.settings, {x.to(at::kDouble), {}, {}, 7}, now);
  for (const bool is_float : {true, false}) {
    SCOPED_TRACE(is_float ? "float32" : "float64");
    const SaeGradients found = sparse_gradients(is_float ? sae : exact, plan.settings,
                                                {is_float ? x : x.to(at::kDouble), {}, {}, 7}, now);
    const double tolerance = is_float ? kFloat : 1e-10;
    EXPECT_NEAR(found.loss, dense.loss, tolerance * std::abs(dense.loss));
    ASSERT_EQ(found.terms.size(), dense.terms.size());
    for (size_t i = 0; i < found.terms.size(); ++i) {
      EXPECT_EQ(found.terms[i].name, dense.terms[i].name);
      EXPECT_NEAR(found.terms[i].value, dense.terms[i].value,
                  tolerance * dense.terms[i].value + 1e-9);
    }
    EXPECT_NEAR(found.explained_variance, dense.explained_variance, 1e-5);
    EXPECT_NEAR(found.l0, dense.l0, 1e-9);
    EXPECT_NEAR(found.least_positive, dense.least_positive, tolerance);
    for (const auto& [name, gradient] : dense.gradients) {
      ASSERT_EQ(found.gradients.count(name), 1U) << name;
      EXPECT_LE(relative(found.gradients.at(name), gradient), tolerance) << name;
    }
    EXPECT_LE(relative(found.latents, dense.latents), tolerance);
    EXPECT_LE(relative(found.x_hat, dense.x_hat), tolerance);
  }
}

TEST(SparseStep, TopK) { compare(plan_of("weir/topk", 37, 210, 5), 75); }
TEST(SparseStep, TopKRescaled) { compare(plan_of("saelens/topk", 32, 96, 4), 64); }
TEST(SparseStep, AbsTopK) { compare(plan_of("saelens/abstopk", 20, 96, 4), 33); }
TEST(SparseStep, BatchTopK) { compare(plan_of("dictionary_learning/batchtopk", 19, 130, 3.5), 70); }
TEST(SparseStep, GroupMax) { compare(plan_of("sparsify/groupmax", 24, 96, 6), 40); }

TEST(SparseStep, Matryoshka) {
  SaeTrainingPlan plan = plan_of("saelens/matryoshka", 24, 120, 4);
  plan.config.widths = {12, 50, 120};
  compare(plan, 66);
}

TEST(SparseStep, SampledAfterTheChoice) {
  SaeTrainingPlan plan = plan_of("weir/vsae_topk", 24, 120, 6);
  compare(plan, 50);
  plan.settings.kl.free_nats = 0.02;
  compare(plan, 50);
  plan.config.variational.variance = VariationalSaeConfig::Variance::kFixed;
  plan.settings.variational.sigma = 0.2;
  compare(plan, 50);
}

TEST(SparseStep, TwoTokensAndOneLatent) { compare(plan_of("weir/topk", 8, 24, 1), 2); }

TEST(SparseStep, ManyRowsThroughSeveralBlocks) {
  compare(plan_of("weir/topk", 8, 1 << 15, 3), 150);
}

TEST(TopOfRow, IsTheSortedTopWhateverCameBefore) {
  for (const int64_t n : {5, 64, 1000}) {
    TopOfRow<float> top(n);
    for (int64_t i = 0; i < 20; ++i) {
      const at::Tensor row = at::randn({n}) * (1 + i % 3) - (i % 4);
      if (i % 5 == 0) row.clamp_min_(0);  // Ties
      for (const int64_t k : {int64_t{1}, int64_t{4}, n}) {
        std::vector<int32_t> ids(static_cast<size_t>(k));
        top.find(row.data_ptr<float>(), n, k, ids.data());
        EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
        EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
        const at::Tensor values = row.index({at::tensor(ids, at::kInt).to(at::kLong)});
        EXPECT_TRUE(at::equal(std::get<0>(values.sort(0, true)), std::get<0>(row.topk(k))));
      }
    }
  }
}

// AuxK reaches the encoder of dead latents, and its reconstruction has no b_dec (T10).
TEST(SparseStep, AuxKTrainsDeadEncoders) {
  SaeTrainingPlan plan = plan_of("weir/topk", 16, 60, 3);
  Sae sae = random_sae(plan.config);
  sae.weights["b_enc"].slice(0, 40).fill_(-0.5);  // Seldom chosen
  const at::Tensor dead = at::arange(60) >= 40;
  SaeStepSituation now;
  now.k = 3;
  now.may_be_dead = dead;
  now.dead = [&](const at::Tensor& fired) { return dead.logical_and(fired.logical_not()); };
  const at::Tensor x = at::randn({200, 16});
  const auto with = sparse_gradients(sae, plan.settings, {x, {}, {}}, now);
  plan.settings.auxk.coefficient = 0;
  const auto without = sparse_gradients(sae, plan.settings, {x, {}, {}}, now);
  const at::Tensor gained = with.gradients.at("W_enc") - without.gradients.at("W_enc");
  EXPECT_GT(gained.slice(1, 40).norm().item<double>(), 0);
  EXPECT_EQ(gained.slice(1, 0, 40).abs().max().item<double>(), 0);
  // Through the input alone, never as a term of its own.
  const at::Tensor through =
      -sae.weight("W_enc").matmul(with.gradients.at("b_enc") - without.gradients.at("b_enc"));
  const at::Tensor b_dec = with.gradients.at("b_dec") - without.gradients.at("b_dec");
  EXPECT_LE((b_dec - through).abs().max().item<double>(), 1e-5);
}

// Two trainers of the same seed, and one that goes on from the other's state (T8, T9).
TEST(SaeTrainer, RepeatsAndGoesOnBitForBit) {
  SaeTrainingPlan plan = plan_of("weir/vsae_topk", 16, 80, 4);
  plan.settings.threshold.start = 1;
  const Sae start = initial_sae(plan.config, {});
  const at::Tensor x = at::randn({6, 64, 16});
  SaeTrainer a(start, plan.settings), b(start, plan.settings);
  const auto step = [&](SaeTrainer& trainer, int64_t i) {
    trainer.step({x.select(0, i), {}, {}}, i, 1e-2);
  };
  for (int64_t i = 0; i < 6; ++i) step(a, i);
  for (int64_t i = 0; i < 3; ++i) step(b, i);
  SaeTrainer c(start, plan.settings);
  std::map<std::string, at::Tensor> kept;
  for (const auto& [name, tensor] : b.state()) kept[name] = tensor.clone();
  c.load_state(kept);
  for (int64_t i = 3; i < 6; ++i) step(c, i);
  const auto left = a.state(), right = c.state();
  ASSERT_EQ(left.size(), right.size());
  for (const auto& [name, tensor] : left) EXPECT_TRUE(at::equal(tensor, right.at(name))) << name;
}

}  // namespace
}  // namespace weir
