#include "weir/sae/dashboard/latent_effects.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/lm/tiny_models.h"

namespace weir {
namespace {

using testing::golden_model;

// float32 products of 32 terms, values of about 1.
constexpr double kTolerance = 2e-5;

Sae made_sae(const std::string& hook, int64_t d) {
  at::manual_seed(3);
  Sae sae;
  sae.config.kind = "topk";
  sae.config.d_in = sae.config.d_out = d;
  sae.config.d_sae = 20;
  sae.config.k = 4;
  sae.config.hook = hook;
  sae.weights = {{"W_enc", at::randn({d, 20})},
                 {"b_enc", at::zeros({20})},
                 {"W_dec", at::randn({20, d})},
                 {"b_dec", at::zeros({d})}};
  return sae;
}

// The direction through the final norm, taken apart here, and the unembedding; float64.
at::Tensor naive_weights(const LanguageModel& lm, const at::Tensor& stream) {
  const Weights& weights = lm.transformer().weights();
  at::Tensor x = stream.to(at::kDouble);
  if (lm.config().norm == NormKind::kLayerNorm) x = x - x.mean(-1, true);
  if (weights.ln_final.w.defined()) x = x * weights.ln_final.w.to(at::kDouble);
  const at::Tensor logits = x.matmul(weights.W_U.dense(at::kDouble));
  return logits - logits.mean(-1, true);
}

void expect_weights(const LanguageModel& lm, const Sae& sae, const at::Tensor& stream) {
  const at::Tensor expected = naive_weights(lm, stream);
  const EffectFinder finder(lm, sae);
  ASSERT_TRUE(finder.has_logits());
  const std::vector<LatentEffects> found = finder.find(5, 15);
  for (int64_t i = 0; i < 15; ++i) {
    const at::Tensor weights = expected[5 + i];
    EXPECT_EQ(found[i].latent, 5 + i);
    double before = INFINITY;
    for (const auto& [token, weight] : found[i].promoted) {
      EXPECT_NEAR(weight, weights[token].item<double>(), kTolerance * (1 + std::abs(weight)));
      EXPECT_LE(weight, before);
      before = weight;
    }
    EXPECT_NEAR(found[i].promoted[0].second, weights.max().item<double>(), kTolerance * 20);
    EXPECT_NEAR(found[i].suppressed[0].second, weights.min().item<double>(), kTolerance * 20);
    const double variance = weights.square().mean().item<double>();
    EXPECT_NEAR(found[i].kurtosis, weights.pow(4).mean().item<double>() / variance / variance,
                1e-3);
    double counted = 0;
    for (const double count : found[i].bin_counts) counted += count;
    EXPECT_EQ(counted, weights.size(0));
  }
}

TEST(LatentEffects, AreTheDirectionsOnTheVocabulary) {
  for (const char* model : {"gpt2", "llama_gqa_tied"}) {
    const LanguageModel lm = golden_model(model);
    const ModelConfig& config = lm.config();
    const Sae stream = made_sae("blocks.1.hook_resid_post", config.d_model);
    expect_weights(lm, stream, stream.weight("W_dec"));
    // Heads write through W_O.
    const Sae heads = made_sae("blocks.1.attn.hook_z", config.n_heads * config.d_head);
    const at::Tensor W_O = lm.transformer().weights().blocks[1].attn.W_O.dense();
    expect_weights(lm, heads, heads.weight("W_dec").matmul(W_O));
  }
}

TEST(LatentEffects, NeighboursAndNeuronsAreThoseOfTheDecoder) {
  const LanguageModel lm = golden_model("gpt2");
  const Sae sae = made_sae("blocks.1.hook_resid_post", lm.config().d_model);
  const at::Tensor decoder = sae.weight("W_dec");
  const at::Tensor unit = decoder / decoder.norm(2, 1, true);
  const at::Tensor cosines = unit.matmul(unit.t());
  for (const LatentEffects& effects : EffectFinder(lm, sae).find(0, 20)) {
    at::Tensor others = cosines[effects.latent].clone();
    others[effects.latent] = -2;
    const auto [value, index] = others.topk(8);
    for (int64_t i = 0; i < 8; ++i) {
      EXPECT_EQ(effects.nearest[i].first, index[i].item<int64_t>());
      EXPECT_NEAR(effects.nearest[i].second, value[i].item<double>(), kTolerance);
    }
    const at::Tensor row = decoder[effects.latent];
    EXPECT_EQ(effects.neurons[0].first, row.abs().argmax().item<int64_t>());
    EXPECT_NEAR(effects.neuron_l1, row.abs().sum().item<double>(), kTolerance * 10);
  }
}

TEST(LatentEffects, SayNothingOfTheVocabularyWhereThereIsNoWayToIt) {
  const LanguageModel lm = golden_model("gpt2");
  const EffectFinder finder(lm, made_sae("blocks.1.attn.hook_q", lm.config().d_model));
  EXPECT_FALSE(finder.has_logits());
  EXPECT_TRUE(finder.find(0, 3)[1].promoted.empty());
}

}  // namespace
}  // namespace weir
