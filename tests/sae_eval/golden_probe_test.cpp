// Probes against scikit-learn, SAEBench and sae-probes on stored latents (golden topic sae-metrics).
//
// Tolerances: we solve to 1e-8 of the gradient; scikit-learn's lbfgs stops at 1e-4, liblinear at
// 1e-4 and saga at 1e-4 too (README: compare coefficients loosely), with float32 rows. Where the
// objective is flat (many latents, C large) that shows in the second digit of coefficients.
// Accuracies may differ by the rows whose decision is smaller than that.
#include <cmath>

#include "tests/sae_eval/golden_metrics.h"
#include "tests/support/max_difference.h"
#include "weir/sae/eval/gradient_probe.h"
#include "weir/sae/eval/sparse_probing.h"

namespace weir::testing {
namespace {

constexpr double kLbfgs = 5e-3, kSaga = 0.15;

std::vector<int64_t> to_ids(const at::Tensor& ids) {
  return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()};
}

class GoldenSaeMetricsProbe : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { golden_ = read_metrics("sparse_probing"); }
  ProbeSet set() const {
    const std::string name = GetParam() + ".";
    return {golden_.tensor(name + "x"), golden_.tensor(name + "y"),
            golden_.tensor(name + "x_test"), golden_.tensor(name + "y_test")};
  }
  /// Largest |a - b| relative to the largest |b| (at least 1).
  static double distance(const at::Tensor& a, const std::vector<double>& b) {
    const at::Tensor expected = at::tensor(b, at::kDouble);
    return max_difference(a, expected) / std::max(1.0, expected.abs().max().item<double>());
  }
  /// Accuracies agree up to rows that lie within `slack` of the boundary.
  static void expect_accuracy(double found, double expected, const at::Tensor& decision,
                              double slack) {
    const double close = (decision.abs() < slack).to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(found, expected, close + 1e-12);
  }
  GoldenMetrics golden_;
};

TEST_P(GoldenSaeMetricsProbe, MeanDifference) {
  EXPECT_LT(max_difference(mean_difference(set().x, set().y),
                           golden_.tensor(GetParam() + ".mean_diff")),
            1e-5);
}

TEST_P(GoldenSaeMetricsProbe, TopKByMeanDifference) {
  for (const auto& [k, expected] : golden_.notes["results"][GetParam()].items()) {
    if (!expected.contains("selected")) continue;
    const SparseProbe found = sparse_probe(set(), std::stoll(k));
    EXPECT_EQ(to_ids(found.latents), expected["selected"].get<std::vector<int64_t>>()) << k;
    EXPECT_LT(distance(found.probe.weight, expected["coef"]), kLbfgs) << k;
    EXPECT_NEAR(found.probe.bias, expected["intercept"].get<double>(), kLbfgs) << k;
    const auto decision = found.probe.decision(set().x_test.index_select(1, found.latents));
    expect_accuracy(found.test.accuracy, expected["test_accuracy"], decision, 2 * kLbfgs);
    EXPECT_NEAR(found.test.margin, expected["test_margin"].get<double>(), 2 * kLbfgs);
    EXPECT_NEAR(found.train_accuracy, expected["train_accuracy"].get<double>(), 0.0051) << k;
  }
}

TEST_P(GoldenSaeMetricsProbe, AllLatents) {
  const auto& expected = golden_.notes["results"][GetParam()]["all"];
  const LinearProbe found = fit_logistic(set().x, set().y);
  EXPECT_LT(distance(found.weight, expected["coef"]), kLbfgs);
  const auto decision = found.decision(set().x_test);
  expect_accuracy(score_probe(decision, set().y_test).accuracy, expected["test_accuracy"], decision,
                  4 * kLbfgs);
}

TEST_P(GoldenSaeMetricsProbe, L1WithPenalisedIntercept) {
  for (const auto& [name, expected] : golden_.notes["results"][GetParam()].items()) {
    if (name.rfind("l1_liblinear_C", 0) != 0) continue;
    LogisticOptions options;
    options.C = std::stod(name.substr(std::string("l1_liblinear_C").size()));
    options.l1 = options.penalise_intercept = true;
    const LinearProbe found = fit_logistic(set().x, set().y, options);
    EXPECT_LT(distance(found.weight, expected["coef"]), 1e-3);
    EXPECT_NEAR(found.bias, expected["intercept"].get<double>(), 1e-3);
    EXPECT_EQ((found.weight != 0).sum().item<int64_t>(), expected["nonzero"].get<int64_t>());
    const ProbeScores scores = score_probe(found.decision(set().x_test), set().y_test);
    EXPECT_NEAR(scores.auc, expected["auc"].get<double>(), 1e-3);
    EXPECT_NEAR(scores.f1, expected["f1"].get<double>(), 1e-2);
  }
}

TEST_P(GoldenSaeMetricsProbe, TunedAsSaeProbes) {
  const auto results = read_metrics("sae_probes").notes["results"][GetParam()];
  const auto order = results["order"].get<std::vector<int64_t>>();
  EXPECT_EQ(to_ids(top_by_magnitude(normalised_mean_difference(set().x, set().y),
                                    static_cast<int64_t>(order.size()))),
            order);
  EXPECT_EQ(to_ids(top_by_magnitude(mean_difference(set().x, set().y),
                                    static_cast<int64_t>(order.size()))),
            results["order_without_normalisation"].get<std::vector<int64_t>>());
  for (const auto& [name, expected] : results.items()) {
    if (name.rfind("order", 0) == 0) continue;
    const bool l1 = name[1] == '1';
    const SparseProbe found = tuned_sparse_probe(set(), std::stoll(name.substr(3)), l1);
    // The C of the best validation AUC: with 48 rows an AUC moves by 1/576 a pair.
    EXPECT_NEAR(found.validation_auc, expected["val_auc"].get<double>(), 4.0 / 576) << name;
    if (std::abs(std::log10(found.C / expected["C"].get<double>())) > 0.01) continue;
    EXPECT_LT(distance(found.probe.weight, expected["coef"]), l1 ? kSaga : kLbfgs) << name;
    EXPECT_NEAR(found.test.auc, expected["test_auc"].get<double>(), l1 ? 5e-3 : 1e-3) << name;
    EXPECT_NEAR(found.test.accuracy, expected["test_acc"].get<double>(), l1 ? 0.013 : 0.0063)
        << name;
    EXPECT_NEAR(found.test.f1_weighted, expected["test_f1"].get<double>(), l1 ? 0.013 : 0.0064)
        << name;
  }
}

std::vector<std::string> probe_sets() {
  std::vector<std::string> names;
  const auto path = golden_topic("sae-metrics") / "sparse_probing.json";
  if (!std::filesystem::exists(path)) return names;
  const auto notes = io::read_json(path);
  for (const auto& [name, results] : notes["results"].items()) names.push_back(name);
  return names;
}

TEST(GoldenSaeMetricsFolder, HasProbeSets) { EXPECT_FALSE(probe_sets().empty()); }

// float32 AdamW from stored weights through stored orders, torch's own on the other side: a step of
// rate 1e-2 has the sign of a gradient's mean, so differences of rounding stay small.
TEST(GoldenSaeMetricsGradientProbe, WeightsOfTheBestEpoch) {
  const GoldenMetrics golden = read_metrics("probe_adamw");
  const GoldenMetrics sets = read_metrics("sparse_probing");
  GradientProbeOptions options;
  options.batch = golden.notes["batch"];
  options.epochs = golden.notes["epochs"];
  options.learning_rate = golden.notes["lr"];
  options.weight = golden.tensor("weight0");
  options.bias = golden.tensor("bias0");
  for (int64_t i = 0; i < options.epochs; ++i) {
    options.orders.push_back(golden.tensor("perm" + std::to_string(i)));
  }
  for (const auto& [name, expected] : golden.notes["results"].items()) {
    options.l1 = name == "l1" ? golden.notes["l1_penalty"].get<double>() : 0;
    const GradientProbe found =
        train_probe(sets.tensor("p0.x"), sets.tensor("p0.y"), sets.tensor("p0.x_test"),
                    sets.tensor("p0.y_test"), options);
    EXPECT_NEAR(found.test_accuracy, expected["best_test_accuracy"].get<double>(), 1e-6) << name;
    EXPECT_LT(max_difference(found.probe.weight.unsqueeze(0),
                             golden.tensor("gpu." + name + ".weight")),
              1e-5)
        << name;
    EXPECT_NEAR(found.probe.bias, golden.tensor("gpu." + name + ".bias").item<double>(), 1e-5);
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSaeMetricsProbe);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSaeMetricsProbe, ::testing::ValuesIn(probe_sets()),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir::testing
