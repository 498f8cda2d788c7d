// Head shares, direct attribution and its relatives against SAEDashboard 0.8, the SAE authors' code
// and transcriptions in float64 (the golden topic `sae-attn`). Its README: compare with 1e-5, as
// large tensors are stored in float32 and rotary tables are.
#include <gtest/gtest.h>

#include "tests/sae/attention/golden_attention.h"
#include "weir/sae/attention/feature_attribution.h"
#include "weir/sae/attention/head_shares.h"
#include "weir/sae/attention/query_key.h"
#include "weir/sae/attention/residual_features.h"

namespace weir {
namespace {

constexpr double kTolerance = 1e-5;

class GoldenSaeAttn : public testing::TestWithParam<std::string> {};

TEST_P(GoldenSaeAttn, HeadSharesAreTheReferences) {
  const AttentionGolden golden(GetParam());
  const int64_t n_heads = golden.lm.config().n_heads;
  const Sae& sae = golden.saes.at(golden.layer);
  const at::Tensor W_O =
      golden.lm.transformer().weights().blocks[golden.layer].attn.W_O.dense(at::kDouble);
  const at::Tensor decoder = head_shares(sae, n_heads);
  EXPECT_LT(max_difference(decoder, golden.of("share.decoder")), kTolerance);
  EXPECT_LT(max_difference(head_shares(sae, n_heads, HeadShare::kResidual, W_O),
                           golden.of("share.residual")),
            kTolerance);
  EXPECT_LT(
      max_difference(head_shares(sae, n_heads, HeadShare::kEncoder), golden.of("share.encoder")),
      kTolerance);
  EXPECT_LT(max_difference(decoder.sum(1), at::ones({sae.config.d_sae}, at::kDouble)), 1e-12);
  using Lists = std::vector<std::vector<int64_t>>;
  EXPECT_EQ(top_features_of_heads(decoder, 10), golden.notes["top_features_per_head"].get<Lists>());
  EXPECT_EQ(top_features_of_heads(decoder, 10, golden.of("frequency")),
            golden.notes["top_features_per_head_live"].get<Lists>());
}

TEST_P(GoldenSaeAttn, DirectAttributionIsTheReferences) {
  const AttentionGolden golden(GetParam());
  const AttentionRun run = run_attention(golden.lm, golden.batch, golden.layer);
  const Sae& sae = golden.saes.at(golden.layer);
  const FeatureAttribution found = attribute_features(run, sae, golden.features);
  EXPECT_LT(max_difference(found.by_source, golden.of("dfa.by_source")), kTolerance);
  EXPECT_LT(max_difference(found.by_head, golden.of("dfa.by_head")), kTolerance);
  EXPECT_LT(max_difference(found.constant, golden.of("dfa.constant")), kTolerance);
  const at::Tensor both = attribute_heads_and_sources(run, sae, golden.features);
  EXPECT_LT(max_difference(both, golden.of("dfa.head_source")), kTolerance);
  EXPECT_LT(max_difference(attribution_shares(both, found.pre), golden.of("share.dfa")),
            kTolerance);
  // Complete: parts sum to the pre-activation, which is the latent where it fires.
  const at::Tensor acts =
      encode(sae, run.z).index_select(-1, at::tensor(golden.features, at::kLong)).transpose(1, 2);
  EXPECT_LT(max_difference(found.pre.clamp_min(0), acts), 1e-12);
  EXPECT_LT(max_difference(found.by_source.sum(3) + found.constant.unsqueeze(1), found.pre), 1e-12);

  const nlohmann::json& agreement = golden.notes["attribution_agreement"];
  const ShareAgreement agrees = share_agreement(
      golden.of("share.decoder").index_select(0, at::tensor(golden.features, at::kLong)),
      attribution_shares(both, found.pre));
  EXPECT_NEAR(agrees.pearson, agreement["pearson"], 1e-5);
  EXPECT_NEAR(agrees.spearman, agreement["spearman"], 1e-5);
  EXPECT_NEAR(agrees.same_top_head, agreement["top1"], 1e-12);
}

TEST_P(GoldenSaeAttn, PeersSourcesAtTheirTargets) {
  const AttentionGolden golden(GetParam());
  const AttentionRun run = run_attention(golden.lm, golden.batch, golden.layer);
  const FeatureAttribution found =
      attribute_features(run, golden.saes.at(golden.layer), golden.features);
  const at::Tensor& target = golden.of("dfa.peer_target");  // [n, B]
  for (int64_t i = 0; i < target.size(0); ++i) {
    for (int64_t b = 0; b < target.size(1); ++b) {
      const auto destination = target[i][b].item<int64_t>();
      EXPECT_LT(
          max_difference(found.by_source[b][i][destination], golden.of("dfa.peer_values")[i][b]),
          kTolerance);
    }
  }
}

TEST_P(GoldenSaeAttn, EveryActiveLatentAtOnceIsTheSame) {
  const AttentionGolden golden(GetParam());
  const AttentionRun run = run_attention(golden.lm, golden.batch, golden.layer);
  const Sae& sae = golden.saes.at(golden.layer);
  for (int64_t row = 0; row < golden.batch.tokens.size(0); ++row) {
    const ActiveAttribution active = attribute_active(run, sae, row);
    const FeatureAttribution all = [&] {
      std::vector<int64_t> features(sae.config.d_sae);
      for (int64_t i = 0; i < sae.config.d_sae; ++i) features[i] = i;
      return attribute_features(run, sae, features);
    }();
    int64_t n_active = 0;
    for (int64_t t = 0; t < active.features.size(0); ++t) {
      for (int64_t k = 0; k < active.features.size(1); ++k) {
        const double value = active.values[t][k].item<double>();
        if (value == 0) continue;
        ++n_active;
        const auto feature = active.features[t][k].item<int64_t>();
        EXPECT_NEAR(value, all.pre[row][feature][t].item<double>(), 1e-12);
        EXPECT_LT(max_difference(active.by_source[t][k], all.by_source[row][feature][t]), 1e-12);
        EXPECT_LT(max_difference(active.by_head[t][k], all.by_head[row][feature].select(1, t)),
                  1e-12);
      }
    }
    EXPECT_EQ(n_active, (encode(sae, run.z[row]) > 0).sum().item<int64_t>());
  }
}

TEST_P(GoldenSaeAttn, ADictionaryOfProcessedValuesReadsRawOnes) {
  const AttentionGolden golden(GetParam());
  if (!golden.has("processing.shift")) GTEST_SKIP() << "no biases: nothing is shifted";
  const at::Tensor shift = processed_value_shift(golden.lm, golden.layer);
  EXPECT_LT(max_difference(shift, golden.of("processing.shift")), kTolerance);
  Sae processed = golden.sae("processing.sae.", "standard");
  const Sae raw = shifted_for_raw_values(processed, shift);
  const AttentionRun run = run_attention(golden.lm, golden.batch, golden.layer);
  EXPECT_LT(max_difference(encode(raw, run.z), golden.of("processing.acts")), kTolerance);
}

TEST_P(GoldenSaeAttn, SourcesComeApartIntoStreamFeatures) {
  const AttentionGolden golden(GetParam());
  const nlohmann::json& notes = golden.notes["resid_attribution"];
  const FrozenRun run = freeze(golden.lm, golden.batch.tokens[notes["batch"].get<int64_t>()],
                               golden.layer, golden.of_layers(golden.saes));
  const Sae stream = golden.sae("res.", "standard");
  const ResidualAttribution found = attribute_source(
      run, {golden.layer, notes["feature"], notes["dest"]}, notes["source"], stream);
  at::Tensor dense = at::zeros({stream.config.d_sae}, at::kDouble);
  dense.scatter_(0, found.features, found.values);
  EXPECT_LT(max_difference(dense, golden.of("resid.features")), kTolerance);
  EXPECT_NEAR(found.error, notes["error"], kTolerance);
  EXPECT_NEAR(found.b_dec, notes["b_dec"], kTolerance);
  EXPECT_NEAR(found.ln_bias, notes["ln_bias"], kTolerance);
  EXPECT_NEAR(found.b_V, notes["b_V"], kTolerance);
  EXPECT_NEAR(found.total, notes["dfa_source"], kTolerance);
}

TEST_P(GoldenSaeAttn, ScoresComeApartIntoPairs) {
  const AttentionGolden golden(GetParam());
  const nlohmann::json& notes = golden.notes["qk"];
  const FrozenRun run =
      freeze(golden.lm, golden.batch.tokens[0], golden.layer, golden.of_layers(golden.saes));
  const auto names = notes["components"].get<std::vector<std::string>>();
  int64_t n_features = 0;
  for (const std::string& name : names) n_features += name.rfind("f0.", 0) == 0 ? 1 : 0;
  const StreamParts stream = stream_parts(run, golden.layer, n_features);
  EXPECT_LT(max_difference(stream.values.sum(0), run.blocks[golden.layer].stream), 1e-12);
  const QueryKeyParts found = query_key_parts(golden.lm, run, golden.layer, notes["head"], stream);
  ASSERT_EQ(found.names, names);
  const at::Tensor pairs = found.pairs();
  EXPECT_LT(max_difference(pairs, golden.of("qk.pairs")), kTolerance);
  EXPECT_LT(max_difference(pairs.sum(0).sum(0), found.scores()), 1e-10);
  EXPECT_LT(max_difference(pairs.select(2, 3).select(2, 1), found.at_edge(3, 1)), 1e-12);
  const auto order = notes["pair_order"].get<std::vector<std::pair<int64_t, int64_t>>>();
  const PairRanking ranking = rank_pairs(found, static_cast<int64_t>(order.size()));
  EXPECT_EQ(ranking.pairs, order);
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_NEAR(ranking.share[i], notes["covariance_share"][i], kTolerance);
    EXPECT_NEAR(ranking.cumulative_r2[i], notes["cumulative_r2"][i], kTolerance);
  }
}

TEST(GoldenSaeAttnFolder, HasCases) {
  EXPECT_FALSE(attention_cases().empty()) << golden_topic("sae-attn");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSaeAttn);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSaeAttn, testing::ValuesIn(attention_cases()),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
