#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/sae/training/golden_plan.h"
#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "weir/io/json.h"
#include "weir/sae/training/decoder_constraint.h"
#include "weir/sae/training/dense_latents.h"
#include "weir/sae/training/geometric_median.h"
#include "weir/sae/training/kl_divergence.h"
#include "weir/sae/training/resample.h"
#include "weir/sae/training/straight_through.h"

namespace weir {
namespace {

using nlohmann::json;

// float64 values kept as float32 or as they are.
constexpr double kTolerance = 1e-5;

bool has(const std::string& file) {
  return std::filesystem::exists(golden_topic("sae-train") / file);
}
json notes(const std::string& name) {
  return io::read_json(golden_topic("sae-train") / (name + ".json"));
}

TEST(GoldenSaeTrainParts, GeometricMedianAndProjection) {
  if (!has("small.safetensors")) GTEST_SKIP();
  const Tensors t = golden_sae_tensors("small");
  EXPECT_LE(max_difference(geometric_median(t.at("points")), t.at("median")), kTolerance);
  const at::Tensor rows = t.at("proj.W").t().clone(), gradient = t.at("proj.grad").t().clone();
  remove_parallel_part(gradient, rows);
  EXPECT_LE(max_difference(gradient.t(), t.at("proj.grad_out")), kTolerance);
  make_rows_unit(rows);
  EXPECT_LE(max_difference(rows.t(), t.at("proj.unit")), kTolerance);
}

TEST(GoldenSaeTrainParts, StraightThroughSlopes) {
  if (!has("extras.safetensors")) GTEST_SKIP();
  const Tensors t = golden_sae_tensors("extras");
  const double width = notes("extras").at("ste").at("bandwidth");
  struct Case {
    const char* name;
    bool is_step, reaches_input;
  };
  for (const Case& of :
       {Case{"sl_jumprelu", false, false}, Case{"sl_jumprelu_to_input", false, true},
        Case{"sl_step", true, false}, Case{"sl_step_to_input", true, true},
        Case{"dl_jumprelu", false, false}, Case{"dl_step", true, false}}) {
    SCOPED_TRACE(of.name);
    const std::string key = std::string("ste.") + of.name;
    const at::Tensor pre = t.at("ste.pre").detach().requires_grad_(true);
    const at::Tensor threshold = t.at("ste.threshold").detach().requires_grad_(true);
    const at::Tensor out = of.is_step ? step_function(pre, threshold, width, of.reaches_input)
                                      : jump_relu(pre, threshold, width, of.reaches_input);
    EXPECT_LE(max_difference(out, t.at(key + ".out")), 1e-12);
    const auto found = torch::autograd::grad({out}, {pre, threshold}, {t.at("ste.upstream")});
    if (t.count(key + ".grad_pre") > 0) {
      EXPECT_LE(max_difference(found[0], t.at(key + ".grad_pre")), 1e-12);
    }
    EXPECT_LE(max_difference(found[1], t.at(key + ".grad_threshold")), 1e-12);
  }
}

// k for each token on average, however many axes the batch has.
TEST(GoldenSaeTrainParts, BatchBudgetCountsTokens) {
  if (!has("extras.safetensors")) GTEST_SKIP();
  const Tensors t = golden_sae_tensors("extras");
  const at::Tensor acts = t.at("batch3d.acts").flatten(0, 1);
  const at::Tensor kept =
      acts * highest_of_batch(acts, notes("extras").at("batch3d").at("k").get<double>());
  EXPECT_LE(max_difference(kept.view_as(t.at("batch3d.acts")), t.at("batch3d.sae_lens")), 1e-7);
}

SaeTrainingPlan plan_for(const std::string& kind, const Sae& sae) {
  SaeTrainingPlan plan;
  plan.config.kind = kind;
  plan.config.d_in = plan.config.d_out = sae.weight("b_dec").size(-1);
  plan.config.d_sae = sae.weight("b_enc").size(0);
  return plan;
}

TEST(GoldenSaeTrainParts, HierarchicalTopK) {
  if (!has("extras.safetensors")) GTEST_SKIP();
  const json of = notes("extras").at("hierarchical");
  Sae sae;
  sae.weights = {{"W_enc", golden_sae_tensors("common").at("w.enc").t().to(at::kDouble)},
                 {"b_enc", golden_sae_tensors("common").at("w.b_enc").to(at::kDouble)},
                 {"W_dec", golden_sae_tensors("common").at("w.dec_free").to(at::kDouble)},
                 {"b_dec", golden_sae_tensors("common").at("w.b_dec").to(at::kDouble)}};
  SaeTrainingPlan plan = plan_for("hierarchical_topk", sae);
  plan.config.k = of.at("K");
  sae.config = plan.config;
  SaeStepSituation now;
  now.k = plan.config.k;
  const SaeGradients found = dense_gradients(
      sae, plan.settings,
      {golden_sae_tensors("common").at("x").select(0, 0).to(at::kDouble), {}, {}}, now);
  EXPECT_NEAR(found.loss, of.at("loss").get<double>(), kTolerance * found.loss);
  for (const auto& [name, tensor] :
       golden_weights(golden_sae_tensors("extras"), "hierarchical.grad")) {
    EXPECT_LE(max_difference(found.gradients.at(name), tensor), 1e-9) << name;
  }
}

TEST(GoldenSaeTrainParts, Crosscoder) {
  if (!has("extras.safetensors")) GTEST_SKIP();
  const json of = notes("extras").at("crosscoder");
  const Tensors t = golden_sae_tensors("extras");
  Sae sae;
  sae.weights = golden_weights(t, "crosscoder.init");
  SaeTrainingPlan plan = plan_for("crosscoder", sae);
  plan.config.n_sources = sae.weight("b_dec").size(0);
  plan.config.apply_b_dec_to_input = false;
  plan.settings.sparsity.kind = SparsityKind::kNorm;
  plan.settings.sparsity.weight = SparsityWeight::kSumOfSourceNorms;
  sae.config = plan.config;
  SaeStepSituation now;
  now.sparsity = of.at("l1_coefficient");
  const SaeGradients found =
      dense_gradients(sae, plan.settings, {t.at("crosscoder.x").flatten(1), {}, {}}, now);
  ASSERT_EQ(found.terms.size(), 2U);
  EXPECT_NEAR(found.terms[0].value, of.at("mse").get<double>(), 1e-9 * found.loss);
  EXPECT_NEAR(found.terms[1].value, of.at("l1").get<double>(), 1e-9 * found.loss);
  for (const auto& [name, tensor] : golden_weights(t, "crosscoder.grad")) {
    const double size = tensor.abs().max().item<double>();
    EXPECT_LE(max_difference(found.gradients.at(name), tensor), 1e-9 * size) << name;
  }
}

TEST(GoldenSaeTrainParts, SelectionUnderNoise) {
  if (!has("extras.json")) GTEST_SKIP();
  const Tensors c = golden_sae_tensors("common");
  const auto as = [&](const char* name) { return c.at(name).to(at::kDouble); };
  const at::Tensor mu = (as("x").select(0, 0).matmul(as("w.enc").t()) + as("w.b_enc")).relu();
  const auto k = golden_steps().at("k").get<int64_t>();
  const json of = notes("extras");
  for (const auto& [sigma, expected] : of.at("jaccard").items()) {
    const at::Tensor z = mu + std::stod(sigma) * as("eps").select(0, 0);
    const double found = selection_jaccard(highest_of_rows(mu, k), highest_of_rows(z.abs(), k));
    EXPECT_NEAR(found, expected.get<double>(), kTolerance) << sigma;
  }
}

TEST(GoldenSaeTrainParts, DeadLatentsAsEachPeerCountsThem) {
  if (!has("dead.json")) GTEST_SKIP();
  const json of = notes("dead");
  const auto fired = of.at("fired").get<std::vector<std::vector<int64_t>>>();
  const int64_t batch = of.at("batch"), n = static_cast<int64_t>(fired[0].size());
  using Count = DeadSettings::Count;
  const std::vector<std::tuple<const char*, const char*, Count>> rules = {
      {"dictionary_learning", "num_tokens_since_fired", Count::kTokens},
      {"sae_lens", "n_forward_passes_since_fired", Count::kPasses},
      {"openai", "stats_last_nonzero", Count::kPassesFromOne}};
  for (const auto& [peer, key, count] : rules) {
    DeadSettings settings;
    settings.count = count;
    settings.strict = true;
    settings.threshold = of.at(peer).value("window", 0.0);
    DeadLatents dead(n, settings);
    for (size_t i = 0; i < fired.size(); ++i) {
      if (of.at(peer).contains("dead_mask_used")) {
        const auto mask = of.at(peer).at("dead_mask_used").at(i).get<std::vector<int64_t>>();
        EXPECT_TRUE(at::equal(dead.mask().to(at::kLong), at::tensor(mask, at::kLong))) << i;
      }
      dead.count(at::tensor(fired[i], at::kLong) > 0, batch);
      const auto expected = of.at(peer).at(key).at(i).get<std::vector<int64_t>>();
      EXPECT_TRUE(at::equal(dead.since_fired(), at::tensor(expected, at::kLong))) << peer << i;
    }
  }
}

// With the rows that the peer drew.
TEST(GoldenSaeTrainParts, ResampledLatents) {
  for (const std::string name : {"dl_resample", "attn_resample"}) {
    if (!has(name + ".safetensors")) continue;
    SCOPED_TRACE(name);
    const bool is_dl = name == "dl_resample";
    const ResampleRule rule =
        is_dl ? ResampleRule::kDictionaryLearning : ResampleRule::kAttentionSaes;
    const Tensors t = golden_sae_tensors(name);
    SaeTrainingPlan plan = training_preset("dictionary_learning/standard");
    Sae sae;
    sae.weights = golden_weights(t, "before");
    plan.config.d_in = plan.config.d_out = sae.weight("W_enc").size(0);
    plan.config.d_sae = sae.weight("W_enc").size(1);
    sae.config = plan.config;
    const at::Tensor x = golden_sae_tensors("common").at("x").to(at::kDouble);
    const at::Tensor pool = is_dl ? t.at("batch").to(at::kDouble) : x.slice(0, 1, 3).flatten(0, 1);
    const at::Tensor weights =
        is_dl ? t.at("losses") / t.at("losses").sum() : t.at("probabilities");
    EXPECT_LE(max_difference(resample_chances(sae, pool, rule), weights), kTolerance);
    SaeTrainer trainer(sae, plan.settings);
    trainer.step({pool, {}, {}}, 1, 0);  // So that there is something to forget.
    const at::Tensor dead = t.at("deads").to(at::kBool);
    trainer.resample(dead, pool.index({t.at("indices").to(at::kLong)}), rule);
    for (const auto& [weight, tensor] : golden_weights(t, "after")) {
      if (weight == "W_dec") continue;  // Renormalised by the step: the dead alone are compared.
      EXPECT_LE(max_difference(trainer.sae().weight(weight), tensor), kTolerance) << weight;
    }
    const at::Tensor ids = dead.nonzero().flatten();
    EXPECT_LE(max_difference(trainer.sae().weight("W_dec").index_select(0, ids),
                             golden_weights(t, "after").at("W_dec").index_select(0, ids)),
              kTolerance);
    const auto names = trained_weights(trainer.sae());
    for (const auto& [slot, tensor] : trainer.optimizer().state()) {
      if (slot == "counts") continue;
      const std::string& weight = names[std::stoul(slot)];
      if (weight == "b_dec") continue;
      const at::Tensor of_dead = tensor.index_select(weight == "W_enc" ? 1 : 0, ids);
      EXPECT_EQ(of_dead.abs().max().item<double>(), 0) << slot;
      EXPECT_GT(tensor.abs().max().item<double>(), 0) << slot;
    }
  }
}

TEST(GoldenSaeTrainParts, ReleasedPriors) {
  if (!has("vsae_kl.safetensors")) GTEST_SKIP();
  const Tensors t = golden_sae_tensors("vsae_kl");
  const auto as = [&](const char* name) { return t.at(name).to(at::kDouble); };
  const auto check = [&](const std::string& name, KlPrior prior, double scale, double tolerance) {
    for (const int learned : {0, 1}) {
      const std::string key = name + ".var" + std::to_string(learned);
      if (t.count(key) == 0) continue;
      KlSettings how;
      how.prior = prior;
      const bool is_narrow = prior == KlPrior::kCorrelated;
      how.log_var_min = is_narrow ? -6 : -8;
      how.log_var_max = is_narrow ? 2 : 4;
      PriorParameters parameters{scale, as("spike_logits"), as("mixture.prior_means"),
                                 as("multi.precision")};
      at::Tensor found =
          kl_divergence(as("mu"), learned ? as("log_var") : at::Tensor(), how, parameters).sum(-1);
      if (t.at(key).dim() == 0) found = found.mean();
      const double size = t.at(key).abs().max().item<double>();
      EXPECT_LE(max_difference(found, t.at(key)), tolerance * size) << key;
    }
  };
  check("gaussian", KlPrior::kNormal, 1, 1e-12);
  check("laplace", KlPrior::kLaplace, 0.7, 1e-12);
  check("exponential", KlPrior::kExponential, 1.3, 1e-12);
  check("spike_slab", KlPrior::kSpikeSlab, 1, kTolerance);
  check("mixture", KlPrior::kMixture, 0.8, kTolerance);  // Means of float32
  check("multi", KlPrior::kCorrelated, 1, kTolerance);   // float32 inside
}

// The text of the paper: noise before the choice, k highest |z|, all latents in the KL.
TEST(GoldenSaeTrainParts, VsaeAsStated) {
  if (!has("vsae_paper.safetensors")) GTEST_SKIP();
  const Tensors c = golden_sae_tensors("common"), t = golden_sae_tensors("vsae_paper");
  const auto as = [&](const char* name) { return c.at(name).to(at::kDouble); };
  const json all = notes("vsae_paper");
  for (const auto& [name, of] : all.items()) {
    SCOPED_TRACE(name);
    const bool learned = of.at("sigma").is_string();
    SaeTrainingPlan plan = training_preset("vsae/paper");
    plan.settings.auxk.coefficient = 0;
    plan.settings.kl.mean_max = 0;
    plan.settings.kl.log_var_min = plan.config.variational.log_var_min = -1e30;
    plan.settings.kl.log_var_max = plan.config.variational.log_var_max = 1e30;
    if (!learned) {
      plan.config.variational.variance = VariationalSaeConfig::Variance::kFixed;
      plan.settings.variational.sigma = of.at("sigma");
    }
    const Sae sae = golden_start(c, &plan);
    SaeStepSituation now;
    now.k = plan.config.k;
    now.kl = of.at("beta");
    now.keeps_tensors = true;
    const SaeGradients found = dense_gradients(
        sae, plan.settings, {as("x").select(0, 0), {}, as("eps").select(0, 0)}, now);
    EXPECT_NEAR(found.loss, of.at("loss").get<double>(), kTolerance * found.loss);
    EXPECT_NEAR(found.kl, of.at("kl").get<double>(), kTolerance * found.kl);
    EXPECT_LE(max_difference(found.latents, t.at(name + ".z_k")), kTolerance);
    EXPECT_LE(max_difference(found.x_hat, t.at(name + ".x_hat")), kTolerance);
    for (const auto& [weight, tensor] : golden_weights(t, name + ".grad")) {
      const double size = tensor.abs().max().item<double>();
      EXPECT_LE(max_difference(found.gradients.at(weight), tensor), kTolerance * size) << weight;
    }
  }
}

}  // namespace
}  // namespace weir
