#include "weir/recall/decomposition.h"

#include "tests/recall/recall_cases.h"
#include "weir/base/error.h"

namespace weir {
namespace {

using testing::recall_cases;
using testing::recall_numbers;
using testing::recall_tensors;
using testing::relative_difference;
using testing::Tensors;

// Float64 regressions of a few parts with condition numbers below 1e3: README's 1e-8.
constexpr double kTolerance = 1e-8;

class GoldenRecallDecomposition : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    t_ = recall_tensors("decomposition_" + GetParam());
    n_ = recall_numbers("decomposition_" + GetParam());
  }
  const at::Tensor& c() { return t_["in.c"]; }
  const at::Tensor& m() { return t_["in.m"]; }
  void expect(const at::Tensor& found, const std::string& key) {
    ASSERT_TRUE(t_.count(key)) << key;
    EXPECT_LT(relative_difference(found, t_[key]), kTolerance) << key;
  }
  void expect_fit(const PartsFit& fit, const std::string& name) {
    for (const auto& [key, value] : Tensors{{"w", fit.w},
                                            {"g", fit.g},
                                            {"se", fit.se},
                                            {"b", fit.b},
                                            {"G", fit.G},
                                            {"h", fit.h}}) {
      expect(value, name + "." + key);
    }
    EXPECT_NEAR(fit.r2, n_[name]["R2"].get<double>(), kTolerance);
    EXPECT_NEAR(fit.sigma2 / n_[name]["sigma2"].get<double>(), 1, kTolerance);
    EXPECT_NEAR(fit.condition / n_[name]["cond"].get<double>(), 1, kTolerance);
    EXPECT_EQ(fit.dropped, n_[name]["dropped"].get<std::vector<int64_t>>());
  }
  Tensors t_;
  nlohmann::json n_;
};

PartsFit fit_in_batches(const at::Tensor& c, const at::Tensor& m, int64_t batch, double ridge = 0) {
  PartsSums sums;
  for (int64_t first = 0; first < c.size(0); first += batch) {
    sums.add(c.slice(0, first, first + batch), m.slice(0, first, first + batch));
  }
  return sums.fit(ridge);
}

TEST_P(GoldenRecallDecomposition, OneWeightAPart) {
  for (const int64_t batch : {7, 1000}) expect_fit(fit_in_batches(c(), m(), batch), "M1");
  const PartsFit fit = fit_in_batches(c(), m(), 1000);
  expect(r2_by_coordinate(fit, c(), m()), "M1.R2_coord");
}

TEST_P(GoldenRecallDecomposition, Ridge) {
  int n_compared = 0;
  for (const auto& [key, value] : n_.items()) {
    if (key.rfind("M1.ridge", 0) != 0) continue;
    const PartsFit fit = fit_in_batches(c(), m(), 9, std::stod(key.substr(8)));
    expect(fit.w, key + ".w");
    expect(fit.b, key + ".b");
    EXPECT_NEAR(fit.r2, value["R2"].get<double>(), kTolerance);
    ++n_compared;
  }
  EXPECT_GT(n_compared, 0);
}

TEST_P(GoldenRecallDecomposition, HeldOutAndBootstrapBySubject) {
  const HeldOut held_out = leave_one_group_out(c(), m(), t_["in.subject"]);
  expect(held_out.w, "M1.w_leave_one_subject_out");
  EXPECT_NEAR(held_out.r2, n_["M1"]["R2_heldout_train_mean"].get<double>(), kTolerance);
  EXPECT_NEAR(held_out.r2_own_mean, n_["M1"]["R2_heldout_test_mean"].get<double>(), kTolerance);
  const at::Tensor w = bootstrap_weights(c(), m(), t_["in.subject"], t_["boot.subjects"]);
  expect(w, "boot.w");
  const auto se = n_["M1"]["boot_se (std, n-1)"].get<std::vector<double>>();
  EXPECT_LT(relative_difference(w.std(0, /*unbiased=*/true), at::tensor(se, at::kDouble)),
            kTolerance);
}

TEST_P(GoldenRecallDecomposition, AfterTheNorm) {
  const bool is_layer_norm =
      LanguageModel::load(golden_topic("models") / testing::model_and_layer(GetParam()).first)
          .config()
          .norm == NormKind::kLayerNorm;
  const at::Tensor normed = normed_parts(c(), t_["in.ln2_scale"], t_["in.ln2_gain"], is_layer_norm);
  const PartsFit fit = fit_in_batches(normed, m(), 1000);
  expect_fit(fit, "M2");
  expect(r2_by_coordinate(fit, normed, m()), "M2.R2_coord");
}

TEST_P(GoldenRecallDecomposition, EachCoordinate) {
  const CoordinateFit fit = fit_each_coordinate(c(), m());
  expect(fit.w, "M3.W");
  expect(fit.b, "M3.b");
  expect(fit.r2_coordinate, "M3.R2_coord");
  EXPECT_NEAR(fit.r2, n_["M3"]["R2"].get<double>(), kTolerance);
}

TEST_P(GoldenRecallDecomposition, Matrices) {
  const MatrixFit fit = fit_matrices(c(), m(), n_["M4"]["lambda"].get<double>());
  expect(fit.W, "M4.W");
  expect(fit.b, "M4.b");
  EXPECT_NEAR(fit.r2, n_["M4"]["R2"].get<double>(), kTolerance);
}

TEST_P(GoldenRecallDecomposition, AlongOneDirection) {
  for (const std::string along : {"subject", "answer"}) {
    const at::Tensor u = t_["in.W_U"].index_select(1, t_["in.ids_" + along]).t();
    const ScalarFit fit = fit_along(c(), m(), u);
    expect(fit.w, "M5." + along + ".w");
    expect(fit.se, "M5." + along + ".se");
    EXPECT_NEAR(fit.intercept, n_["M5." + along]["intercept"].get<double>(), kTolerance);
    EXPECT_NEAR(fit.r2, n_["M5." + along]["R2"].get<double>(), kTolerance);
  }
}

TEST_P(GoldenRecallDecomposition, EachPrompt) {
  const PromptFits fits = fit_each_prompt(c(), m());
  expect(fits.w, "M6.w_each");
  expect(fits.w.mean(0), "M6.w");
  expect(fits.intercept, "M6.intercept_each");
  expect(fits.r2, "M6.R2_each");
}

TEST(GoldenRecallFolder, HasDecompositions) {
  EXPECT_FALSE(recall_cases("decomposition").empty()) << golden_topic("recall");
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenRecallDecomposition);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenRecallDecomposition,
                         ::testing::ValuesIn(recall_cases("decomposition")),
                         [](const auto& i) { return case_name(i.param); });

// The planted regressions; the file is one of the topic's.
class GoldenRecallPlanted : public ::testing::Test {
 protected:
  void SetUp() override {
    t_ = recall_tensors("planted");
    n_ = recall_numbers("planted");
  }
  Tensors t_;
  nlohmann::json n_;
};

TEST_F(GoldenRecallPlanted, WeightsComeBack) {
  int n_compared = 0;
  for (const auto& [key, value] : n_.items()) {
    if (key.rfind("noise", 0) != 0) continue;
    const double noise = std::stod(key.substr(5));
    const PartsFit fit = fit_in_batches(t_["c"], t_[key + ".m"], 11);
    EXPECT_EQ(fit.dropped, value["dropped"].get<std::vector<int64_t>>());
    const at::Tensor w = fit.w.slice(0, 0, t_["w"].size(0));
    const at::Tensor off = (w - t_["w"]).abs();
    if (noise == 0) {
      EXPECT_LT(off.max().item<double>(), 1e-10);
    } else {
      // The issue of the golden: within 4 standard errors of what was planted.
      EXPECT_TRUE((off <= 4 * fit.se.slice(0, 0, w.size(0))).all().item<bool>());
      EXPECT_LT(relative_difference(fit.se, t_[key + ".fit_se"]), kTolerance);
    }
    EXPECT_LT(relative_difference(fit.w, t_[key + ".fit_w"]), kTolerance);
    EXPECT_LT(relative_difference(fit.b, t_[key + ".fit_b"]), kTolerance);
    EXPECT_FALSE(fit.is_ill_conditioned());
    const HeldOut held_out = leave_one_group_out(t_["c"], t_[key + ".m"], t_["subject"]);
    EXPECT_NEAR(held_out.r2, value["R2_heldout_train_mean"].get<double>(), kTolerance);
    EXPECT_NEAR(held_out.r2_own_mean, value["R2_heldout_test_mean"].get<double>(), kTolerance);
    ++n_compared;
  }
  EXPECT_GT(n_compared, 0);
}

TEST_F(GoldenRecallPlanted, CollinearPartsAreSaidToBe) {
  std::string noisy;
  for (const auto& [key, value] : n_.items()) {
    if (key.rfind("noise", 0) == 0) noisy = key;
  }
  const PartsFit fit = fit_in_batches(t_["collinear.c"], t_[noisy + ".m"], 1000);
  EXPECT_TRUE(fit.is_ill_conditioned());
  // The smallest eigenvalue is 1e-9 of the largest: that many digits of it are lost.
  EXPECT_NEAR(fit.condition / n_["collinear_cond (must warn, > 1e6)"].get<double>(), 1, 1e-5);
}

TEST_F(GoldenRecallPlanted, WeightsOfEachCoordinateComeBack) {
  const CoordinateFit fit =
      fit_each_coordinate(t_["c"].slice(1, 0, t_["w"].size(0)), t_["per_coordinate.m"]);
  EXPECT_LT(relative_difference(fit.w, t_["per_coordinate.W"]), kTolerance);
  EXPECT_LT(relative_difference(fit.b, t_["b"]), kTolerance);
}

TEST(Decomposition, PartsThatRepeatEachOtherGiveAFitAndAWarning) {
  const at::Tensor one = at::randn({12, 1, 5}, at::kDouble);
  const PartsFit fit = fit_in_batches(at::cat({one, one}, 1), 2 * one.squeeze(1), 1000);
  EXPECT_TRUE(fit.is_ill_conditioned());
  EXPECT_NEAR(fit.w.sum().item<double>(), 2, 1e-6);
}

TEST(Decomposition, RefusesWhatIsNoDecomposition) {
  PartsSums sums;
  EXPECT_THROW(sums.add(at::zeros({3, 2, 5}), at::zeros({3, 4})), Error);
  EXPECT_THROW(sums.fit(), Error);
  EXPECT_THROW(fit_matrices(at::zeros({3, 2, 5}), at::zeros({3, 5}), 0), Error);
}

}  // namespace
}  // namespace weir
