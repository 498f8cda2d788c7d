#include "weir/recall/last_block.h"

#include "tests/recall/recall_cases.h"
#include "weir/lm/unembedding.h"
#include "weir/recall/mitigation.h"

namespace weir {
namespace {

using testing::recall_cases;
using testing::recall_model;
using testing::recall_numbers;
using testing::recall_tensors;
using testing::relative_difference;
using testing::Tensors;

class GoldenRecallLastBlock : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenRecallLastBlock()
      : lm_(recall_model(GetParam())),
        p_(recall_tensors("prompts_" + GetParam())),
        t_(recall_tensors("last_block_" + GetParam())),
        n_(recall_numbers("last_block_" + GetParam())),
        last_(lm_, {p_["tokens"], {}}),
        block_(last_block(last_, p_["ids_answer"], t_["b_last"], t_["unigram"])) {}
  void expect(const at::Tensor& found, const std::string& key) {
    ASSERT_TRUE(t_.count(key)) << key;
    EXPECT_LT(relative_difference(found, t_[key]), testing::tolerance(lm_)) << key;
  }
  LanguageModel lm_;
  Tensors p_, t_;
  nlohmann::json n_;
  LastPosition last_;
  LastBlock block_;
};

TEST_P(GoldenRecallLastBlock, ChangesOfTheAnswer) {
  expect(block_.attn_own, "delta_attn.own");
  expect(block_.mlp_own, "delta_mlp.own");
  expect(block_.attn_frozen, "delta_attn.frozen");
  expect(block_.mlp_frozen, "delta_mlp.frozen");
  expect(block_.head_dla, "head_dla");
  EXPECT_EQ(block_.negative_heads, n_["negative_heads"].get<std::vector<int64_t>>());
  expect(block_.attention_to_first, "attention_to_first");
}

TEST_P(GoldenRecallLastBlock, PartsAddUp) {
  const FinalReader reader(lm_);
  const at::Tensor& answers = p_["ids_answer"];
  const LastActivations& clean = last_.clean();
  const at::Tensor scale = reader.scale(clean.resid_post[-1]);
  const at::Tensor bias = clean.attn_out[-1] - clean.head_out[-1].sum(1);
  EXPECT_LT(relative_difference(block_.head_dla.sum(1) + reader.share(bias, answers, scale),
                                block_.attn_frozen),
            1e-10);
  const at::Tensor change = reader.frozen(clean.resid_post[-1], answers, scale) -
                            reader.frozen(clean.resid_pre[-1], answers, scale);
  EXPECT_LT(relative_difference(block_.attn_frozen + block_.mlp_frozen, change), 1e-10);
}

TEST_P(GoldenRecallLastBlock, AverageTokens) {
  expect(block_.average.u_mean, "u_mean");
  expect(block_.average.u_freq, "u_freq");
  expect(block_.mlp_cos_u_mean, "cos_mlp_each.u_mean");
  expect(block_.mlp_cos_u_freq, "cos_mlp_each.u_freq");
  ASSERT_EQ(block_.components.size(), n_["cosines"].size());
  for (const ComponentReading& reading : block_.components) {
    const auto& cosines = n_["cosines"][reading.name];
    EXPECT_NEAR(reading.cos_u_mean, cosines["u_mean"].get<double>(), testing::tolerance(lm_));
    EXPECT_NEAR(reading.cos_u_freq, cosines["u_freq"].get<double>(), testing::tolerance(lm_));
    EXPECT_NEAR(reading.spearman, n_["spearman_with_log_p"][reading.name].get<double>(), 1e-8);
  }
}

TEST_P(GoldenRecallLastBlock, Neurons) {
  const auto null_k = recall_numbers("variant")["null_k"].get<int64_t>();
  for (const bool folded : {false, true}) {
    const LastNeurons neurons = last_neurons(lm_, null_k, folded);
    const std::string name = folded ? "neuron.folded." : "neuron.raw.";
    expect(neurons.norm, "neuron.norm");
    expect(neurons.logit_var, name + "logit_var");
    expect(neurons.rho, name + "rho");
    expect(neurons.singular_values, name + "singular_values");
    const LastNeurons all = last_neurons(lm_, lm_.config().d_model, folded);
    EXPECT_LT(relative_difference(all.rho, at::ones_like(all.rho)), 1e-10);
  }
}

TEST_P(GoldenRecallLastBlock, NeuronsThatFollowFrequency) {
  const at::Tensor found = frequency_correlation(lm_, t_["unigram"]);
  const FinalReader reader(lm_);
  const at::Tensor W_out = lm_.transformer().weights().blocks.back().mlp.W_out.dense(at::kDouble);
  const at::Tensor logits =
      at::matmul(reader.centred(W_out) * reader.gain(), reader.W_U());  // [M, V]
  const at::Tensor both = at::cat({t_["unigram"].log().unsqueeze(0), logits});
  EXPECT_LT(relative_difference(found, at::corrcoef(both)[0].slice(0, 1)), 1e-10);
}

TEST_P(GoldenRecallLastBlock, Mitigations) {
  const NeutralText neutral(lm_, {p_["neutral"], {}});
  // token_log_probs is float32.
  const double clean_nll = n_["clean"]["neutral_nll"].get<double>();
  EXPECT_NEAR(neutral.clean_loss(), clean_nll, 1e-5);
  EXPECT_NEAR(neutral.unigram().sum().item<double>(), 1, 1e-10);
  const MitigationInputs inputs = {block_.negative_heads, t_["b_last"], block_.average.u_freq};
  int n_compared = 0;
  for (const Mitigation mitigation : all_mitigations()) {
    for (const auto& [key, expected] : n_["mitigation"].items()) {
      const std::string start = mitigation_name(mitigation) + ".";
      if (key.rfind(start, 0) != 0) continue;
      const double alpha = std::stod(key.substr(start.size()));
      const auto hooks = mitigation_hooks(lm_, mitigation, alpha, inputs);
      expect(last_.run(hooks, lm_.config().n_layers - 1), "mitigation." + key + ".logits");
      const MitigationEffect effect =
          mitigation_effect(last_, p_["ids_answer"], neutral, mitigation, alpha, inputs);
      EXPECT_NEAR(effect.delta_pi.mean().item<double>(), expected["delta_pi"].get<double>(), 1e-6);
      EXPECT_NEAR(effect.delta_prob.mean().item<double>(), expected["delta_prob"].get<double>(),
                  1e-6);
      EXPECT_EQ(effect.rank, expected["rank_mean"].get<double>()) << key;
      EXPECT_EQ(effect.top1, expected["top1"].get<double>()) << key;
      EXPECT_NEAR((1 + effect.loss_increase) * neutral.clean_loss(),
                  expected["neutral_nll_hook_everywhere"].get<double>(), 1e-5)
          << key;
      ++n_compared;
    }
  }
  EXPECT_EQ(n_compared, static_cast<int>(n_["mitigation"].size()));
}

TEST_P(GoldenRecallLastBlock, ExtremesOfMitigations) {
  const MitigationInputs inputs = {block_.negative_heads, t_["b_last"], block_.average.u_freq};
  const int64_t layer = lm_.config().n_layers - 1;
  for (const Mitigation mitigation : all_mitigations()) {
    const at::Tensor nothing = last_.run(mitigation_hooks(lm_, mitigation, 0, inputs), layer);
    EXPECT_LT(relative_difference(nothing, last_.clean().logits), 1e-12);
  }
  const at::Tensor skipped =
      last_.run(mitigation_hooks(lm_, Mitigation::kSkipBlock, 1, inputs), layer);
  EXPECT_LT(relative_difference(skipped, lm_.transformer().unembed(last_.clean().resid_pre[layer])),
            1e-12);
}

TEST(GoldenRecallFolder, HasLastBlocks) { EXPECT_FALSE(recall_cases("last_block").empty()); }
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenRecallLastBlock);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenRecallLastBlock,
                         ::testing::ValuesIn(recall_cases("last_block")),
                         [](const auto& i) { return case_name(i.param); });

}  // namespace
}  // namespace weir
