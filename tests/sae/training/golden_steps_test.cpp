#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/sae/training/golden_plan.h"
#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "weir/sae/training/sparse_step.h"
#include "weir/train/signum.h"

namespace weir {
namespace {

using nlohmann::json;

// The README's: the peers ran in float64 with some terms in float32, values are kept as float32.
constexpr double kRelative = 1e-5;
// After six steps of Adam, whose division brings the last digits of small gradients up.
constexpr double kWeights = 1e-5;

const LossTerm* find(const SaeStep& step, const std::string& name) {
  for (const LossTerm& term : step.found.terms) {
    if (term.name == name) return &term;
  }
  return nullptr;
}

// What a peer calls `key`, of our step; NaN where it is another thing (a norm, a statistic).
double ours(const SaeStep& step, const std::string& peer, const std::string& key) {
  const auto value = [&](const char* name) {
    const LossTerm* term = find(step, name);
    return term == nullptr ? 0 : term->value;
  };
  const auto part = [&](const char* name) {
    const LossTerm* term = find(step, name);
    return term == nullptr ? 0 : term->value * term->weight;
  };
  const bool is_sl = peer == "sl", has_reconstruction = find(step, "reconstruction") != nullptr;
  if (key == "loss" || key == "total_loss") return step.found.loss;
  if (key == "mse_loss" && has_reconstruction) return part("reconstruction");
  if (key == "fvu" || key == "train_recons") return part("reconstruction");
  if (key == "lp_loss" || key == "p_norm_penalty" || key == "gate_sparsity_loss") {
    return value("sparsity");
  }
  if (key == "scaled_lp_loss" || key == "l1_loss" || key == "l0_loss" ||
      key == "scaled_p_norm_penalty") {
    return part("sparsity");
  }
  if (key == "auxk_loss" || key == "auxk") return value("auxk");
  if (key == "auxiliary_reconstruction_loss") {
    return find(step, "gate") != nullptr ? part("gate") : part("auxk");
  }
  if (key == "aux_loss") return find(step, "gate") ? value("gate") : value("mean_path");
  if (key == "kl_loss") return value("kl");
  if (key == "multi_topk_fvu") return value("multi_topk");
  if (key == "pre_act_loss") return part("pre_activation");
  if (is_sl && key.rfind("inner_mse_loss_", 0) == 0)
    return part(("level_" + key.substr(15)).c_str());
  return NAN;
}

void expect_terms(const json& row, const std::string& peer, const SaeStep& step) {
  int n = 0;
  const auto check = [&](const json& numbers) {
    for (const auto& [key, expected] : numbers.items()) {
      if (!expected.is_number()) continue;
      const double found = ours(step, peer, key);
      if (std::isnan(found)) continue;
      const double size = std::max(std::abs(expected.get<double>()), 1e-3);
      EXPECT_NEAR(found, expected.get<double>(), kRelative * size) << key;
      ++n;
    }
  };
  if (row.contains("terms")) check(row.at("terms"));
  check(row);
  EXPECT_GT(n, 0);
}

void expect_gradients(const Tensors& expected, const Tensors& found, const std::string& what) {
  EXPECT_FALSE(expected.empty()) << what;
  for (const auto& [name, tensor] : expected) {
    SCOPED_TRACE(what + " " + name);
    const auto is = found.find(name);
    if (is == found.end()) {
      EXPECT_EQ(tensor.abs().max().item<double>(), 0);
      continue;
    }
    const double size = tensor.abs().max().item<double>();
    EXPECT_LE(max_difference(is->second, tensor), kRelative * size + 1e-12);
  }
}

void expect_weights(const Tensors& expected, const Sae& found, const std::string& what) {
  EXPECT_FALSE(expected.empty()) << what;
  for (const auto& [name, tensor] : expected) {
    if (!found.find(name).defined()) continue;  // A threshold that is no weight of the kind.
    EXPECT_LE(max_difference(found.weight(name), tensor), kWeights) << what << " " << name;
  }
}

void expect_counters(const json& row, const SaeTrainer& trainer, const SaeStep& step) {
  for (const char* key :
       {"num_tokens_since_fired", "n_forward_passes_since_fired", "stats_last_nonzero"}) {
    if (!row.contains(key)) continue;
    const auto expected = row.at(key).get<std::vector<int64_t>>();
    EXPECT_TRUE(at::equal(trainer.dead().since_fired(), at::tensor(expected, at::kLong))) << key;
  }
  for (const char* key : {"dead_features", "dead"}) {
    if (!row.contains(key)) continue;
    EXPECT_EQ(row.at(key).get<int64_t>(), step.n_dead) << key;
  }
  EXPECT_NEAR(step.found.l0, row.value("l0", step.found.l0), 1e-9);
  for (const char* key : {"threshold", "topk_threshold"}) {
    if (!row.contains(key)) continue;
    EXPECT_NEAR(trainer.threshold(), row.at(key).get<double>(), kRelative) << key;
  }
  if (trainer.anneal().is_on() && row.contains("sparsity_coeff")) {
    const double coefficient = row.at("sparsity_coeff");
    EXPECT_NEAR(trainer.anneal().p(), row.at("p").get<double>(), 1e-7);
    EXPECT_NEAR(trainer.anneal().coefficient(), coefficient, kRelative * coefficient);
  }
}

// Six steps of a trainer of ours beside those of the peer.
void run_case(const std::string& name, SaeEngine engine) {
  const GoldenCase of = golden_case(name);
  if (engine == SaeEngine::kSparse && !has_sparse_step(of.start, of.plan.settings)) {
    GTEST_SKIP() << "no sparse step";
  }
  const json& rows = golden_steps().at("cases").at(name).at("steps");
  const json& settings = golden_steps().at("cases").at(name).at("settings");
  const Tensors common = golden_sae_tensors("common"), tensors = golden_sae_tensors(name);
  SaeTrainer trainer(of.start, of.plan.settings, {engine, 0, /*keeps_tensors=*/true});
  trainer.dead().set_since_fired(of.since_fired);
  for (size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE("step " + std::to_string(i));
    const json& row = rows.at(i);
    const auto at = [&](const at::Tensor& all) {
      return all.select(0, static_cast<int64_t>(i)).to(at::kDouble);
    };
    const double rate = row.value("lr", settings.at("lr").get<double>());
    SaeBatch batch{at(common.at("x")), {}, at(common.at("eps"))};
    if (tensors.count("y") > 0) batch.y = at(tensors.at("y"));
    const SaeStep step = trainer.step(batch, row.at("step"), rate);
    expect_terms(row, name.substr(0, 2), step);
    expect_counters(row, trainer, step);
    if (row.contains("raw_grad_norm")) {
      const double norm = row.at("raw_grad_norm");
      EXPECT_NEAR(step.gradient_norm, norm, kRelative * norm);
    }
    if (i > 0) continue;
    expect_gradients(golden_weights(tensors, "step0.grad"), step.found.gradients, "gradient");
    const Tensors final_ones = golden_weights(tensors, "step0.grad_final");
    if (!final_ones.empty()) expect_gradients(final_ones, step.final_gradients, "final gradient");
    if (tensors.count("step0.x_hat") > 0 && step.found.x_hat.defined()) {
      EXPECT_LE(max_difference(step.found.x_hat, tensors.at("step0.x_hat")), 1e-5);
    }
    expect_weights(golden_weights(tensors, "after1"), trainer.sae(), "after 1");
  }
  const std::string last = "after" + std::to_string(rows.size());
  expect_weights(golden_weights(tensors, last), trainer.sae(), last);
  if (!of.averages) return;
  const auto averages = dynamic_cast<Signum&>(trainer.optimizer()).averages();
  const Tensors expected = golden_weights(tensors, last + "_eval");
  size_t i = 0;
  for (const std::string& weight : trained_weights(trainer.sae())) {
    EXPECT_LE(max_difference(averages[i++], expected.at(weight)), kWeights) << weight;
  }
}

class GoldenSaeTrainSteps : public testing::TestWithParam<std::string> {};

TEST_P(GoldenSaeTrainSteps, DenseStepsAreThePeers) { run_case(GetParam(), SaeEngine::kDense); }
TEST_P(GoldenSaeTrainSteps, SparseStepsAreThePeers) { run_case(GetParam(), SaeEngine::kSparse); }

TEST(GoldenSaeTrainFolder, HasCases) {
  EXPECT_FALSE(golden_step_cases().empty()) << golden_topic("sae-train");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSaeTrainSteps);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSaeTrainSteps, testing::ValuesIn(golden_step_cases()),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
