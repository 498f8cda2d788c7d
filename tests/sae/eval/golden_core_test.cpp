// Reconstruction, sparsity and geometry of dictionaries against SAEBench 0.6.0, SAELens 6.54,
// dictionary_learning 0.1.0 and plain float64 sums (golden topic sae-metrics, core_*).
#include "tests/sae/eval/golden_metrics.h"
#include "tests/support/max_difference.h"
#include "weir/sae/eval/latent_counts.h"
#include "weir/sae/eval/latent_geometry.h"
#include "weir/sae/eval/reconstruction.h"

namespace weir::testing {
namespace {

std::vector<std::string> core_cases() {
  std::vector<std::string> cases;
  for (const std::string& name : golden_files("sae-metrics", ".safetensors")) {
    if (name.rfind("core_", 0) == 0) cases.push_back(name);
  }
  return cases;
}

class GoldenSaeMetricsCore : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    golden_ = read_metrics(GetParam());
    sae_ = golden_.sae();
    const at::Tensor x = golden_.tensor("act"), mask = golden_.tensor("mask") != 0;
    const at::Tensor latents = encode(sae_, x);
    const int64_t n_batches = golden_.notes["n_batches"], size = x.size(0) / n_batches;
    counts_ = LatentCounts(latents.size(-1));
    for (int64_t i = 0; i < x.size(0); i += size) {  // batches as upstream had them
      const auto part = [&](const at::Tensor& t) { return t.slice(0, i, i + size); };
      sums_.add(part(x), part(golden_.tensor("x_hat")), part(mask));
      counts_.add(part(latents), part(mask));
    }
  }
  const nlohmann::json& of(const std::string& project) const { return golden_.notes[project]; }

  GoldenMetrics golden_;
  Sae sae_;
  ReconstructionSums sums_;
  LatentCounts counts_ = LatentCounts(0);
};

TEST_P(GoldenSaeMetricsCore, ReconstructionAsEachProjectHasIt) {
  const ReconstructionScores found = sums_.scores();
  EXPECT_EQ(found.n_tokens, of("reference")["tokens"].get<int64_t>());
  const auto expect = [&](const std::string& project, const std::string& key, double value) {
    expect_close(value, of(project)[key], project + " " + key);
  };
  expect("reference", "ev_total", found.ev_total);
  expect("reference", "ev_uncentred", found.ev_uncentred);
  expect("reference", "mse_sum", found.mse_sum);
  expect("reference", "mse_mean", found.mse_mean);
  expect("reference", "cosine", found.cossim);
  expect("sae_bench", "explained_variance", found.ev_saebench);
  expect("sae_bench", "explained_variance_legacy", found.ev_legacy);
  expect("sae_bench", "mse", found.mse_saebench);
  expect("sae_bench", "cossim", found.cossim);
  expect("sae_bench", "l2_norm_in", found.l2_norm_in);
  expect("sae_bench", "l2_norm_out", found.l2_norm_out);
  expect("sae_bench", "l2_ratio", found.l2_ratio);
  expect("sae_bench", "relative_reconstruction_bias", found.relative_reconstruction_bias);
  expect("dictionary_learning", "frac_variance_explained", found.ev_centred);
  expect("dictionary_learning", "relative_reconstruction_bias", found.relative_bias_total);
  if (of("sae_lens").is_object()) expect("sae_lens", "explained_variance_legacy", found.ev_legacy);
}

TEST_P(GoldenSaeMetricsCore, ByPromptTheSameValues) {
  const ReconstructionScores found = sums_.scores();
  const auto by_prompt = sums_.by_prompt();
  EXPECT_NEAR(by_prompt.at("ev_total").value(), found.ev_total, 1e-12);
  EXPECT_NEAR(by_prompt.at("mse_sum").value(), found.mse_sum, 1e-12 * found.mse_sum);
  const MeanInterval interval = by_prompt.at("ev_total").interval();
  EXPECT_LT(interval.low, found.ev_total);
  EXPECT_GT(interval.high, found.ev_total);
  EXPECT_EQ(difference(by_prompt.at("ev_total"), by_prompt.at("ev_total")).high, 0);
}

TEST_P(GoldenSaeMetricsCore, SparsityAndDensity) {
  const auto& bench = of("sae_bench");
  expect_close(counts_.l0(), bench["l0"], "l0");
  expect_close(counts_.l1(), bench["l1"], "l1");
  expect_close(counts_.share_above(0), bench["frac_alive"], "alive");
  expect_close(counts_.share_above(0.01), bench["freq_over_1_percent"], "1 %");
  expect_close(counts_.share_above(0.1), bench["freq_over_10_percent"], "10 %");
  expect_close(counts_.firings_above(0.01), bench["normalized_freq_over_1_percent"], "1 %");
  expect_close(counts_.firings_above(0.1), bench["normalized_freq_over_10_percent"], "10 %");
  EXPECT_LT(max_difference(counts_.density(), golden_.tensor("feature.feature_density")), 1e-6);
  const auto known = [](const at::Tensor& t) { return t.nan_to_num(-1); };  // dead latents: 0 / 0
  EXPECT_LT(max_difference(known(counts_.firings_per_prompt()),
                           known(golden_.tensor("feature.consistent_activation_heuristic"))),
            1e-5);
  EXPECT_NEAR(counts_.l0_by_prompt().value(), counts_.l0(), 1e-12);
  EXPECT_GE(counts_.share_alive(0.1), counts_.share_alive(0.5));
}

TEST_P(GoldenSaeMetricsCore, GeometryOfWeights) {
  const at::Tensor encoder = sae_.weight("W_enc").t(), decoder = sae_.weight("W_dec");
  const auto expect = [&](const at::Tensor& found, const std::string& key) {
    EXPECT_LT(max_difference(found, golden_.tensor("feature." + key)), 1e-5) << key;
  };
  expect(row_cosines(encoder, decoder), "encoder_decoder_cosine_sim");
  expect(max_cosine(encoder), "max_encoder_cosine_sim");
  expect(max_cosine(decoder), "max_decoder_cosine_sim");
  expect(encoder.norm(2, 1), "encoder_norm");
  const auto mean = [](const at::Tensor& t) { return t.to(at::kDouble).mean().item<double>(); };
  expect_close(mean(max_cosine(encoder)), of("sae_bench")["average_max_encoder_cosine_sim"], "");
  expect_close(mean(max_cosine(decoder)), of("sae_bench")["average_max_decoder_cosine_sim"], "");
}

TEST(GoldenSaeMetricsCases, AreThere) { EXPECT_FALSE(core_cases().empty()); }
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSaeMetricsCore);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSaeMetricsCore, ::testing::ValuesIn(core_cases()),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir::testing
