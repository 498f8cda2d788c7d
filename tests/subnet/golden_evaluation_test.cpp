// Counts, overlaps and correlations against SciPy (the golden topic `subnet`). Sums of integers are
// exact; tails of hypergeometric distributions go through lgamma of 10^4, 1e-9 relative; surprisals
// 1e-6, as logits.
#include "tests/subnet/golden_masks.h"
#include "weir/subnet/evaluation.h"
#include "weir/subnet/overlap.h"

namespace weir::testing {
namespace {

constexpr double kSum = 1e-9;

class GoldenSubnetEvaluation : public GoldenMasks {
 protected:
  static void expect_close(double found, double expected, const std::string& what) {
    EXPECT_NEAR(found, expected, kSum * std::max(1.0, std::abs(expected))) << what;
  }
};

TEST_P(GoldenSubnetEvaluation, ActiveByMatrixKindAndLayer) {
  const auto counts = active_by_matrix(mask("keep"));
  ASSERT_EQ(counts.size(), golden_.notes["counts"].size());
  for (const MatrixCount& count : counts) {
    const auto& of = golden_.notes["counts"].at(count.block);
    EXPECT_EQ(count.size, of["size"].get<int64_t>());
    EXPECT_EQ(count.active, of["active"].get<int64_t>()) << count.block;
  }
  for (const auto& [kind, share] : share_by_kind(counts)) {
    expect_close(share, golden_.notes["share_by_type"].at(kind), kind);
  }
  const auto by_layer = share_by_layer(counts);
  ASSERT_EQ(by_layer.size(), golden_.notes["share_by_layer"].size());
  for (size_t l = 0; l < by_layer.size(); ++l) {
    expect_close(by_layer[l], golden_.notes["share_by_layer"][l], "layer");
  }
}

TEST_P(GoldenSubnetEvaluation, OverlapAndItsNulls) {
  const Overlap found = overlap(mask("overlap.a"), mask("overlap.b"));
  const auto& blocks = golden_.notes["overlap"]["blocks"];
  ASSERT_EQ(found.blocks.size(), blocks.size());
  for (const OverlapCount& of : found.blocks) {
    const auto& expected = blocks.at(of.block);
    EXPECT_EQ(of.both, expected["both"].get<int64_t>());
    expect_close(of.mean, expected["elem_mean"], of.block);
    expect_close(of.variance, expected["elem_var"], of.block);
    expect_close(of.row_mean, expected["row_mean"], of.block);
    expect_close(of.row_variance, expected["row_var"], of.block);
    EXPECT_NEAR(of.p_at_least / expected["elem_p_at_least"].get<double>(), 1, 1e-8) << of.block;
  }
  const auto& total = golden_.notes["overlap"]["total"];
  expect_close(found.total.ratio(), total["ratio"], "ratio");
  expect_close(found.total.z(), total["z_elem"], "z");
  expect_close(found.total.row_z(), total["z_row"], "z of rows");
  expect_close(found.total.share_of_a(), total["share_of_a_inside_b"], "share");
  const auto& sampled = golden_.notes["overlap"]["monte_carlo_elem"];  // 400 samples
  const double error = sampled["sd"].get<double>() / std::sqrt(400.0);
  EXPECT_NEAR(found.total.mean, sampled["mean"].get<double>(), 4 * error);
}

TEST_P(GoldenSubnetEvaluation, SurprisalsAndCorrelations) {
  const at::Tensor tokens = SubnetGolden("ngram_" + GetParam()).at("eval");
  const auto& notes = golden_.notes["surprisal"];
  std::map<std::string, Subnetwork> masks = {
      {"full", full_subnetwork(space_)}, {"keep", mask("keep")}, {"hard", mask("m")}};
  const std::string cut = "_cut" + std::to_string(bigrams_.vocabulary());
  for (const auto& [name, kept] : masks) {
    for (const bool is_cut : {false, true}) {
      const std::string key = is_cut ? name + cut : name;
      if (!notes.contains(key)) continue;  // Without padding rows both are the same.
      EvaluationOptions options;
      options.cut_vocabulary = is_cut;
      options.batch = 5;
      const Evaluation found =
          evaluate(lm_.transformer(), applied(space_, kept), tokens, *target_, options);
      EXPECT_LT(max_difference(found.surprisal.flatten(), golden_.at("surprisal." + key)), kValue);
      EXPECT_LT(max_difference(found.target_surprisal.flatten(), golden_.at("surprisal.bigram")),
                1e-12);
      const auto& of = notes.at(key);
      EXPECT_NEAR(found.dropped.pearson, of["pearson_dropinf"].get<double>(), kValue) << key;
      EXPECT_NEAR(found.dropped.spearman, of["spearman_dropinf"].get<double>(), kValue) << key;
      EXPECT_NEAR(found.replaced.pearson, of["pearson_replace"].get<double>(), kValue) << key;
      EXPECT_EQ(found.dropped.infinite, notes["infinite_bigram"].get<int64_t>());
      EXPECT_NEAR(found.surprisal.mean().item<double>(), of["mean_bits"].get<double>(), kValue);
    }
  }
}

TEST_P(GoldenSubnetEvaluation, AblationLosses) {
  const at::Tensor ids = golden_.at("ids");
  const auto& of = golden_.notes["ablation_next_token_loss"];
  const auto loss = [&](const Subnetwork& kept) {
    return evaluate(lm_.transformer(), applied(space_, kept), ids, *target_).loss;
  };
  EXPECT_NEAR(loss(mask("keep")), of["keep"].get<double>(), kValue);
  EXPECT_NEAR(loss(complement(mask("keep"))), of["complement"].get<double>(), kValue);
  EXPECT_NEAR(loss(mask("keep_shuffled")), of["shuffled"].get<double>(), kValue);
  EXPECT_NEAR(loss(full_subnetwork(space_)), of["full"].get<double>(), kValue);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSubnetEvaluation);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSubnetEvaluation, ::testing::ValuesIn(subnet_cases("mask")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir::testing
