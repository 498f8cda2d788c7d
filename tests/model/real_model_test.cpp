// Real models from their quantised GGUFs (SmolLM2-135M-Instruct in Q4_1, gemma-3-270m in Q4_K_M)
// against transformers 5.23.0 on the weights as the gguf package dequantises them. The models are
// not part of the repository: the tests look for them in the store and are skipped without.
//
// Tolerances: Weir's products with quantised blocks dequantise exactly and sum in float32, so only
// the order of sums differs. The references differ from their own float64 runs by 4.6e-5 (SmolLM2)
// and 2.2e-5 (gemma-3) in the logits, which reach 17 and 25; 5e-4 leaves a factor of ten for
// another order of summation in 30 layers.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/model/golden_model.h"
#include "tests/support/real_models.h"
#include "weir/hooks/activation_cache.h"

namespace weir {
namespace {

constexpr double kLogitTolerance = 5e-4;

namespace fs = std::filesystem;

/// A model and what the reference says of it, read once for all tests.
struct Reference {
  explicit Reference(const std::string& name) : expected(testing::expected_of(name)) {
    const LoadedModel loaded = load_model(*testing::stored_model(name));
    model = std::make_unique<Transformer>(loaded.config, loaded.weights);
    n_layers = loaded.config.n_layers;
  }

  std::unique_ptr<Transformer> model;
  int64_t n_layers = 0;
  nlohmann::json expected;
};

class RealModel : public ::testing::TestWithParam<std::string> {
 protected:
  static void TearDownTestSuite() { references().clear(); }

  void SetUp() override {
    if (!testing::stored_model(GetParam())) {
      GTEST_SKIP() << "not in the store; get it by: weir models pull " << GetParam();
    }
    const auto [entry, is_new] = references().try_emplace(GetParam());
    if (is_new) entry->second = std::make_unique<Reference>(GetParam());
    model_ = entry->second->model.get();
    n_layers_ = entry->second->n_layers;
    expected_ = entry->second->expected;
  }

  static std::map<std::string, std::unique_ptr<Reference>>& references() {
    static std::map<std::string, std::unique_ptr<Reference>> all;
    return all;
  }
  static at::Tensor tokens(const nlohmann::json& ids) {
    return at::tensor(ids.get<std::vector<int64_t>>()).unsqueeze(0);
  }
  at::Tensor logits(const at::Tensor& tokens) const {
    ForwardInput input;
    input.tokens = tokens;
    return model_->forward(input).logits[0];
  }
  /// The stream entering block `layer`; that leaving the last one for n_layers.
  std::string stream(int64_t layer) const {
    return layer < n_layers_ ? fmt::format("blocks.{}.hook_resid_pre", layer)
                             : fmt::format("blocks.{}.hook_resid_post", layer - 1);
  }

  const Transformer* model_ = nullptr;
  int64_t n_layers_ = 0;
  nlohmann::json expected_;
};

TEST_P(RealModel, ResidualStreamAndLogitsMatchTheReference) {
  const auto tensors = read_all(golden_topic(GetParam()) / "expected.safetensors");
  Hooks hooks(model_->hook_names());
  ActivationCache cache(only({"*hook_resid_pre", "*hook_resid_post", "unembed.hook_in"}));
  cache.attach(hooks);
  ForwardInput input;
  for (const nlohmann::json& prompt : expected_["prompts"]) {
    if (prompt["name"] == expected_["resid_prompt"]) input.tokens = tokens(prompt["ids"]);
  }
  input.hooks = &hooks;
  const at::Tensor last_logits = model_->forward(input).logits[0][-1];
  const at::Tensor& resid = tensors.at("resid_last");
  ASSERT_EQ(resid.size(0), n_layers_ + 1);
  for (int64_t layer = 0; layer <= n_layers_; ++layer) {
    const double scale = resid[layer].abs().max().item<double>();
    EXPECT_LT(max_difference(cache[stream(layer)][0][-1], resid[layer]),
              2e-5 * std::max(1.0, scale))
        << stream(layer);
  }
  EXPECT_LT(max_difference(cache["unembed.hook_in"][0][-1], tensors.at("final_norm_last")),
            kLogitTolerance);
  const double difference = max_difference(last_logits, tensors.at("logits_last"));
  RecordProperty("logit_difference", fmt::format("{:.1e}", difference));
  EXPECT_LT(difference, kLogitTolerance);
}

TEST_P(RealModel, TopTenTokensMatchOnEveryPrompt) {
  for (const nlohmann::json& prompt : expected_["prompts"]) {
    const at::Tensor log_probs = logits(tokens(prompt["ids"]))[-1].log_softmax(-1);
    const auto n_top = static_cast<int64_t>(prompt["top10"].size());
    const auto [values, ids] = log_probs.topk(n_top);
    for (int64_t i = 0; i < n_top; ++i) {
      const nlohmann::json& entry = prompt["top10"][i];
      EXPECT_EQ(ids[i].item<int64_t>(), entry["id"].get<int64_t>()) << prompt["name"] << " " << i;
      EXPECT_NEAR(values[i].item<double>(), entry["logprob"].get<double>(), kLogitTolerance)
          << prompt["name"] << " " << i;
    }
  }
}

TEST_P(RealModel, TokenLogProbabilitiesMatchOnEveryPrompt) {
  for (const nlohmann::json& prompt : expected_["prompts"]) {
    const at::Tensor ids = tokens(prompt["ids"]);
    const at::Tensor log_probs = logits(ids).log_softmax(-1);
    const auto& reference = prompt["token_logprobs"];
    for (size_t i = 0; i < reference.size(); ++i) {
      const auto position = static_cast<int64_t>(i);
      const int64_t next = ids[0][position + 1].item<int64_t>();
      EXPECT_NEAR(log_probs[position][next].item<double>(), reference[i].get<double>(),
                  kLogitTolerance)
          << prompt["name"] << " " << i;
    }
  }
}

// Each step starts from the reference's own tokens, so one close call does not spoil the rest.
TEST_P(RealModel, GreedyTokensMatchWhereTheReferenceIsSure) {
  constexpr double kSure = 2 * kLogitTolerance;
  int64_t sure = 0, n_steps = 0;
  for (const nlohmann::json& prompt : expected_["prompts"]) {
    auto ids = prompt["ids"].get<std::vector<int64_t>>();
    const auto n_prompt = static_cast<int64_t>(ids.size());
    const auto greedy = prompt["greedy20"]["ids"].get<std::vector<int64_t>>();
    ids.insert(ids.end(), greedy.begin(), greedy.end());
    const at::Tensor best = logits(at::tensor(ids).unsqueeze(0)).argmax(-1);
    n_steps += static_cast<int64_t>(greedy.size());
    for (size_t i = 0; i < greedy.size(); ++i) {
      if (prompt["greedy20"]["margins"][i].get<double>() < kSure) continue;
      ++sure;
      EXPECT_EQ(best[n_prompt - 1 + static_cast<int64_t>(i)].item<int64_t>(), greedy[i])
          << prompt["name"] << " step " << i;
    }
  }
  EXPECT_GT(sure, n_steps / 2);
}

TEST_P(RealModel, LensEntropiesMatchAtEveryLayer) {
  for (const nlohmann::json& prompt : expected_["prompts"]) {
    if (!prompt.contains("lens_entropy_nats")) continue;
    Hooks hooks(model_->hook_names());
    ActivationCache cache(only({"*hook_resid_pre", "*hook_resid_post"}));
    cache.attach(hooks);
    ForwardInput input;
    input.tokens = tokens(prompt["ids"]);
    input.hooks = &hooks;
    input.logits = LogitsAt::kNone;
    model_->forward(input);
    const auto& reference = prompt["lens_entropy_nats"];
    for (int64_t layer = 0; layer <= n_layers_; ++layer) {
      const std::string name = stream(layer);
      for (const bool final_norm : {true, false}) {
        const at::Tensor last = cache[name][0][-1].unsqueeze(0);
        const at::Tensor log_probs =
            model_->unembed(last, final_norm)[0].to(at::kDouble).log_softmax(-1);
        const double entropy = -(log_probs.exp() * log_probs).sum().item<double>();
        const char* key = final_norm ? "final_norm" : "no_norm";
        EXPECT_NEAR(entropy, reference[key][layer].get<double>(), kLogitTolerance) << name << key;
      }
    }
  }
}

TEST_P(RealModel, PerplexityOfWikitextMatches) {
  if (!expected_.contains("wikitext")) GTEST_SKIP() << "no text in this case";
  const nlohmann::json& reference = expected_["wikitext"];
  const at::Tensor ids = tokens(reference["ids"]);
  const at::Tensor all = logits(ids).unsqueeze(0).to(at::kDouble);
  const double loss = next_token_loss(all, ids).item<double>();
  RecordProperty("mean_nll", fmt::format("{:.6f}", loss));
  EXPECT_NEAR(loss, reference["mean_nll_nats"].get<double>(), 1e-5);
}

WEIR_GOLDEN_REAL_MODELS(RealModel);

}  // namespace
}  // namespace weir
