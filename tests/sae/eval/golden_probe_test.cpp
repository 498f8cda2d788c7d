// Probes against scikit-learn, SAEBench and sae-probes on stored latents (golden topic
// sae-metrics).
//
// The fits are minima of convex functions, so what must hold is exact: our objective is not above
// that of their coefficients. Theirs stop early (lbfgs, liblinear and saga at 1e-4, on float32
// rows), which shows where the objective is flat: decisions then differ in the second digit, and so
// do accuracies by the rows that lie so close to 0. Scores are compared on their own coefficients,
// where they must agree exactly.
#include <cmath>

#include "tests/sae/eval/golden_metrics.h"
#include "tests/support/max_difference.h"
#include "weir/sae/eval/gradient_probe.h"
#include "weir/sae/eval/sparse_probing.h"

namespace weir::testing {
namespace {

/// Of the largest decision: how far an early stop moves decisions (saga: README, "loosely").
constexpr double kLbfgs = 2e-2, kSaga = 0.15;

std::vector<int64_t> to_ids(const at::Tensor& ids) {
  return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()};
}

class GoldenSaeMetricsProbe : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { golden_ = read_metrics("sparse_probing"); }
  ProbeSet set() const {
    const std::string name = GetParam() + ".";
    return {golden_.tensor(name + "x"), golden_.tensor(name + "y"), golden_.tensor(name + "x_test"),
            golden_.tensor(name + "y_test")};
  }
  /// min penalty + C sum of losses; what of the intercept is penalised as fit_logistic says.
  static double objective(const LinearProbe& probe, const at::Tensor& x, const at::Tensor& y,
                          const LogisticOptions& options) {
    const at::Tensor sign = y.to(at::kDouble) * 2 - 1;
    const double loss = at::softplus(-probe.decision(x) * sign).sum().item<double>();
    const double b = options.penalise_intercept ? probe.bias : 0;
    const double penalty = options.l1 ? probe.weight.abs().sum().item<double>() + std::abs(b)
                                      : (probe.weight.square().sum().item<double>() + b * b) / 2;
    return penalty + options.C * loss;
  }
  /// `found` is a better minimum than the reference's coefficients and close to them.
  static LinearProbe expect_same(const LinearProbe& found, const nlohmann::json& expected,
                                 const ProbeSet& rows, const LogisticOptions& options,
                                 double tolerance) {
    const LinearProbe theirs{at::tensor(expected["coef"].get<std::vector<double>>(), at::kDouble),
                             expected["intercept"].get<double>()};
    const double reached = objective(found, rows.x, rows.y, options);
    // The intercept's own penalty of 1e-6 |b|^2 / 2 (1e-3 |b| with L1), where it has one.
    const double own = options.l1 ? 1e-3 * std::abs(theirs.bias) : 1e-6 * theirs.bias * theirs.bias;
    EXPECT_LE(reached, objective(theirs, rows.x, rows.y, options) + own + 1e-9 * reached);
    const at::Tensor decision = theirs.decision(rows.x_test);
    EXPECT_LT(max_difference(found.decision(rows.x_test), decision),
              tolerance * std::max(1.0, decision.abs().max().item<double>()));
    return theirs;
  }
  ProbeSet columns(const at::Tensor& latents) const {
    const ProbeSet all = set();
    return {all.x.index_select(1, latents), all.y, all.x_test.index_select(1, latents), all.y_test};
  }
  GoldenMetrics golden_;
};

TEST_P(GoldenSaeMetricsProbe, MeanDifference) {
  EXPECT_LT(
      max_difference(mean_difference(set().x, set().y), golden_.tensor(GetParam() + ".mean_diff")),
      1e-5);
}

TEST_P(GoldenSaeMetricsProbe, TopKByMeanDifference) {
  for (const auto& [k, expected] : golden_.notes["results"][GetParam()].items()) {
    if (!expected.contains("selected")) continue;
    const SparseProbe found = sparse_probe(set(), std::stoll(k));
    EXPECT_EQ(to_ids(found.latents), expected["selected"].get<std::vector<int64_t>>()) << k;
    const ProbeSet rows = columns(found.latents);
    const LinearProbe theirs = expect_same(found.probe, expected, rows, {}, kLbfgs);
    const ProbeScores scores = score_probe(theirs.decision(rows.x_test), rows.y_test);
    EXPECT_NEAR(scores.accuracy, expected["test_accuracy"].get<double>(), 1e-9);
    EXPECT_NEAR(scores.margin, expected["test_margin"].get<double>(), 1e-5);
    EXPECT_NEAR(score_probe(theirs.decision(rows.x), rows.y).accuracy,
                expected["train_accuracy"].get<double>(), 1e-9);
  }
}

TEST_P(GoldenSaeMetricsProbe, AllLatents) {
  const auto& expected = golden_.notes["results"][GetParam()]["all"];
  const LinearProbe theirs =
      expect_same(fit_logistic(set().x, set().y), expected, set(), {}, kLbfgs);
  EXPECT_NEAR(score_probe(theirs.decision(set().x_test), set().y_test).accuracy,
              expected["test_accuracy"].get<double>(), 1e-9);
}

TEST_P(GoldenSaeMetricsProbe, L1WithPenalisedIntercept) {
  for (const auto& [name, expected] : golden_.notes["results"][GetParam()].items()) {
    if (name.rfind("l1_liblinear_C", 0) != 0) continue;
    LogisticOptions options;
    options.C = std::stod(name.substr(std::string("l1_liblinear_C").size()));
    options.l1 = options.penalise_intercept = true;
    const LinearProbe found = fit_logistic(set().x, set().y, options);
    const LinearProbe theirs = expect_same(found, expected, set(), options, 1e-3);
    EXPECT_EQ((found.weight != 0).sum().item<int64_t>(), expected["nonzero"].get<int64_t>());
    const ProbeScores scores = score_probe(theirs.decision(set().x_test), set().y_test);
    EXPECT_NEAR(scores.auc, expected["auc"].get<double>(), 1e-9);
    EXPECT_NEAR(scores.f1, expected["f1"].get<double>(), 1e-9);
    EXPECT_NEAR(scores.accuracy, expected["test_accuracy"].get<double>(), 1e-9);
  }
}

TEST_P(GoldenSaeMetricsProbe, TunedAsSaeProbes) {
  const auto results = read_metrics("sae_probes").notes["results"][GetParam()];
  const auto order = results["order"].get<std::vector<int64_t>>();
  const auto k_most = static_cast<int64_t>(order.size());
  EXPECT_EQ(to_ids(top_by_magnitude(normalised_mean_difference(set().x, set().y), k_most)), order);
  EXPECT_EQ(to_ids(top_by_magnitude(mean_difference(set().x, set().y), k_most)),
            results["order_without_normalisation"].get<std::vector<int64_t>>());
  int n_same = 0, n = 0;
  for (const auto& [name, expected] : results.items()) {
    if (name.rfind("order", 0) == 0) continue;
    LogisticOptions options;
    options.l1 = name[1] == '1';
    options.C = expected["C"];
    const double positives = set().y_test.sum().item<double>();
    const double pair = 1 / (positives * (static_cast<double>(set().y_test.numel()) - positives));
    const SparseProbe found = tuned_sparse_probe(set(), std::stoll(name.substr(3)), options.l1);
    const ProbeSet rows = columns(found.latents);
    // Of 48 rows an AUC moves by 1/576 a pair; C is the first of the best, so that a pair decides.
    EXPECT_NEAR(found.validation_auc, expected["val_auc"].get<double>(), 4.0 / 576) << name;
    ++n;
    n_same += std::abs(std::log10(found.C / options.C)) < 0.01 ? 1 : 0;
    const LinearProbe theirs = expect_same(fit_logistic(rows.x, rows.y, options), expected, rows,
                                           options, options.l1 ? kSaga : kLbfgs);
    const ProbeScores scores = score_probe(theirs.decision(rows.x_test), rows.y_test);
    // Their decisions are float32's, in which a pair can tie.
    EXPECT_NEAR(scores.auc, expected["test_auc"].get<double>(), pair) << name;
    EXPECT_NEAR(scores.accuracy, expected["test_acc"].get<double>(), 1e-9) << name;
    EXPECT_NEAR(scores.f1_weighted, expected["test_f1"].get<double>(), 1e-9) << name;
  }
  EXPECT_GE(n_same, n * 3 / 4) << "C chosen as the reference does";
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
    EXPECT_LT(
        max_difference(found.probe.weight.unsqueeze(0), golden.tensor("gpu." + name + ".weight")),
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
