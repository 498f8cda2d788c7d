// Every family against Hugging Face transformers 5.23.0 (the golden topic `models`). The weights
// are random and large, so a wrong window, scale, head order or rotary variant moves logits by
// about 0.5; float32 rounding of a correct implementation stays below 1e-4 (golden.json gives the
// reference's own distance to float64, at most 3e-5).
#include <fstream>
#include <sstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "tests/model/hf_gradient.h"
#include "weir/hooks/activation_cache.h"

namespace weir {
namespace {

constexpr double kTolerance = 1e-4;
// Entries of 0 to 1, summed over few terms: 1e-5. Where scores are large (GPT-Neo does not scale
// them), their own rounding counts: float32 sums of this depth agree to about 1e-6 of the largest,
// and a weight changes by at most half as much as a difference of two scores does.
constexpr double kPatternTolerance = 1e-5;
constexpr double kScoreRounding = 1e-6;
constexpr double kGradientTolerance = 1e-4;  // Relative to the largest entry.

class GoldenModels : public testing::TestWithParam<std::string> {
 protected:
  GoldenModels()
      : folder_(golden_case(GetParam())),
        expected_(read_all(folder_ / "expected.safetensors")),
        model_(load_model(folder_)),
        transformer_(model_.config, model_.weights) {}

  at::Tensor run(const at::Tensor& tokens, const Hooks* hooks = nullptr) const {
    ForwardInput input;
    input.tokens = tokens;
    input.hooks = hooks;
    return transformer_.forward(input).logits;
  }

  /// OPT-350m's matrix behind the last norm, which Weir folds into W_U; undefined elsewhere.
  at::Tensor project_out() const {
    if (model_.config.family != "opt" || model_.config.tied) return {};
    return read_all(folder_ / "model.safetensors")["model.decoder.project_out.weight"];
  }

  std::filesystem::path folder_;
  std::map<std::string, at::Tensor> expected_;
  LoadedModel model_;
  Transformer transformer_;
};

TEST_P(GoldenModels, LogitsAndLossMatch) {
  const at::Tensor logits = run(expected_.at("tokens"));
  EXPECT_LT(max_difference(logits, expected_.at("logits")), kTolerance);
  const at::Tensor loss = next_token_loss(logits, expected_.at("tokens"));
  EXPECT_LT(max_difference(loss, expected_.at("loss")), kTolerance);
}

TEST_P(GoldenModels, HiddenStatesMatch) {
  const int64_t n_layers = model_.config.n_layers;
  Hooks hooks(transformer_.hook_names());
  ActivationCache cache(only({"*hook_resid_pre", "*hook_resid_post", "unembed.hook_in"}));
  cache.attach(hooks);
  run(expected_.at("tokens"), &hooks);
  for (int64_t layer = 0; layer < n_layers; ++layer) {
    const at::Tensor& resid = cache["blocks." + std::to_string(layer) + ".hook_resid_pre"];
    const std::string key = "hidden_states." + std::to_string(layer);
    EXPECT_LT(max_difference(resid, expected_.at(key)), kTolerance) << key;
  }
  const at::Tensor& last = cache["blocks." + std::to_string(n_layers - 1) + ".hook_resid_post"];
  EXPECT_LT(max_difference(last, expected_.at("resid_final")), kTolerance);
  at::Tensor read_by_unembedding = cache["unembed.hook_in"];
  if (const at::Tensor projection = project_out(); projection.defined()) {
    read_by_unembedding = at::matmul(read_by_unembedding, projection.t());
  }
  const at::Tensor& final_state = expected_.at("hidden_states." + std::to_string(n_layers));
  EXPECT_LT(max_difference(read_by_unembedding, final_state), kTolerance);
}

TEST_P(GoldenModels, AttentionPatternsMatch) {
  Hooks hooks(transformer_.hook_names());
  ActivationCache cache(only({"*hook_pattern", "*hook_attn_scores"}));
  cache.attach(hooks);
  run(expected_.at("tokens"), &hooks);
  for (int64_t layer = 0; layer < model_.config.n_layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer) + ".attn.";
    const at::Tensor& pattern = cache[block + "hook_pattern"];
    const at::Tensor scores = cache[block + "hook_attn_scores"].nan_to_num(0, 0, 0);
    const double largest = scores.abs().max().item<double>();
    const at::Tensor& reference = expected_.at("attentions." + std::to_string(layer));
    EXPECT_LT(max_difference(pattern, reference),
              std::max(kPatternTolerance, kScoreRounding * largest))
        << "layer " << layer << ", scores up to " << largest;
    EXPECT_TRUE(pattern.masked_select(reference == 0).eq(0).all().item<bool>());
  }
}

TEST_P(GoldenModels, ParameterGradientsMatch) {
  const Weights weights = to(model_.weights, at::kCPU, at::kFloat);
  Weights leaves = weights;
  require_gradients(leaves);
  ForwardInput input;
  input.tokens = expected_.at("tokens");
  const at::Tensor loss = next_token_loss(transformer_.forward(leaves, input).logits, input.tokens);
  int n_checked = 0;
  for (const auto& [key, reference] : expected_) {
    if (key.rfind("grad.", 0) != 0) continue;
    const at::Tensor gradient = hf_gradient(key.substr(5), loss, model_, leaves);
    const double scale = reference.abs().max().item<double>();
    EXPECT_LT(max_difference(gradient, reference) / scale, kGradientTolerance) << key;
    ++n_checked;
  }
  EXPECT_GT(n_checked, 0);
}

TEST_P(GoldenModels, LeftPaddedRowsMatch) {
  const at::Tensor mask = expected_.at("leftpad.attention_mask").to(at::kBool);
  ForwardInput input;
  input.tokens = expected_.at("leftpad.tokens");
  input.attention_mask = mask;
  const at::Tensor logits = transformer_.forward(input).logits;
  EXPECT_TRUE(logits.isfinite().all().item<bool>());
  const at::Tensor real = at::where(mask.unsqueeze(-1), logits, at::zeros({}));
  EXPECT_LT(max_difference(real, expected_.at("leftpad.logits")), kTolerance);
}

TEST_P(GoldenModels, BothConfigSpellingsGiveTheSameLogits) {
  std::stringstream text;
  text << std::ifstream(folder_ / "config_v4.json").rdbuf();
  const io::TemporaryFolder folder;
  const LoadedModel model = load_model(copy_with_config(folder_, folder / GetParam(), text.str()));
  ForwardInput input;
  input.tokens = expected_.at("tokens");
  const at::Tensor logits = Transformer(model.config, model.weights).forward(input).logits;
  EXPECT_TRUE(logits.equal(run(expected_.at("tokens"))));
}

TEST_P(GoldenModels, CountsTheParametersOfTheReference) {
  std::stringstream text;
  text << std::ifstream(folder_ / "golden.json").rdbuf();
  const std::string key = "\"parameters\": ";
  const int64_t reference = std::stoll(text.str().substr(text.str().find(key) + key.size()));
  // OPT's two unused position rows and its folded projections are counted by the reference only.
  if (model_.config.family == "opt") GTEST_SKIP() << "OPT holds other tables than its file";
  EXPECT_EQ(n_parameters(model_.weights, model_.config), reference);
}

TEST(GoldenModelsFolder, HasCases) {
  EXPECT_FALSE(golden_folders("models", "expected.safetensors").empty()) << golden_topic("models");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenModels);
INSTANTIATE_TEST_SUITE_P(Models, GoldenModels,
                         testing::ValuesIn(golden_folders("models", "expected.safetensors")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
