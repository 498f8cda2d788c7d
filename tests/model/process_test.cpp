// Weight processing against TransformerLens 3.9.0: every parameter (tl_weights_processed) and every
// activation (tl_cache_processed) of the golden models, and the property that log-probabilities do
// not change for all families. Both sides compute in float32 with other orders of summation;
// entries are of size 1 to 10, so 2e-5 is a few units in the last place of the sums.
// Log-probabilities of the reference itself move by up to 6e-6 (tl.json).
#include "weir/model/process.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "weir/base/ends_with.h"
#include "weir/hooks/activation_cache.h"

namespace weir {
namespace {

constexpr double kParameterTolerance = 2e-5;
constexpr double kActivationTolerance = 1e-4;
constexpr double kLogProbTolerance = 5e-5;

at::Tensor logits_of(const LoadedModel& model, const at::Tensor& tokens,
                     const Hooks* hooks = nullptr) {
  ForwardInput input;
  input.tokens = tokens;
  input.hooks = hooks;
  return Transformer(model.config, model.weights).forward(input).logits;
}

// TransformerLens stores Gemma's gains as 1 + w and its embedding times sqrt(d_model), and holds
// zeros where Weir holds no bias.
at::Tensor as_transformer_lens(const LoadedModel& model, const std::string& name,
                               const at::Tensor& reference) {
  const bool is_bias =
      name.find(".b_") != std::string::npos || name.find("._b_") != std::string::npos;
  Weights weights = model.weights;
  if (is_bias) {
    const std::string plain = std::string(name).replace(
        name.find("b_") - 1, 1, name[name.find("b_") - 1] == '_' ? "" : ".");
    bool is_held = false;
    for (const Parameter& parameter : parameters(weights, model.config)) {
      is_held = is_held || parameter.name == plain;
    }
    if (!is_held) return at::zeros_like(reference);
  }
  const at::Tensor ours = get_parameter(model.weights, model.config, name);
  if (ends_with(name, "_post.w")) return ours + model.config.norm_offset;
  return name == "embed.W_E" ? ours * model.config.embed_scale : ours;
}

class GoldenModelsProcessed : public testing::TestWithParam<std::string> {
 protected:
  GoldenModelsProcessed() : model_(process_weights(load_model(golden_case(GetParam())))) {}

  std::map<std::string, at::Tensor> read(const std::string& file) const {
    return read_all(golden_case(GetParam()) / file);
  }

  LoadedModel model_;
};

TEST_P(GoldenModelsProcessed, ParametersMatchTransformerLens) {
  double largest = 0;
  for (const auto& [name, reference] : read("tl_weights_processed.safetensors")) {
    const double difference =
        max_difference(as_transformer_lens(model_, name, reference), reference);
    EXPECT_LT(difference, kParameterTolerance) << name;
    largest = std::max(largest, difference);
  }
  RecordProperty("largest_difference", fmt::format("{:.1e}", largest));
}

TEST_P(GoldenModelsProcessed, ActivationsMatchTransformerLens) {
  const auto reference = read("tl_cache_processed.safetensors");
  Hooks hooks(hook_names(model_.config, model_.weights));
  ActivationCache cache(only({"*"}));
  cache.attach(hooks);
  const at::Tensor logits = logits_of(model_, reference.at("tokens"), &hooks);
  double largest = max_difference(logits, reference.at("logits"));
  EXPECT_LT(largest, kActivationTolerance);
  for (const auto& [name, expected] : reference) {
    if (name == "tokens" || name == "logits") continue;
    const double difference = max_difference(cache[name], expected);
    EXPECT_LT(difference, kActivationTolerance) << name;
    largest = std::max(largest, difference);
  }
  RecordProperty("largest_difference", fmt::format("{:.1e}", largest));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenModelsProcessed);
INSTANTIATE_TEST_SUITE_P(Models, GoldenModelsProcessed,
                         testing::ValuesIn(golden_folders("models",
                                                          "tl_weights_processed.safetensors")),
                         [](const auto& model) { return case_name(model.param); });

class EveryFamily : public testing::TestWithParam<std::string> {};

TEST_P(EveryFamily, KeepsItsLogProbabilities) {
  const LoadedModel model = load_model(golden_folder(GetParam()));
  const at::Tensor tokens =
      read_all(golden_folder(GetParam()) / "expected.safetensors").at("tokens");
  const at::Tensor before = logits_of(model, tokens).log_softmax(-1);
  const at::Tensor after = logits_of(process_weights(model), tokens).log_softmax(-1);
  const double difference = max_difference(before, after);
  RecordProperty("largest_difference", fmt::format("{:.1e}", difference));
  EXPECT_LT(difference, kLogProbTolerance);
}

TEST_P(EveryFamily, LeavesTheGivenModelAsItIs) {
  const LoadedModel model = load_model(golden_folder(GetParam()));
  const at::Tensor tokens =
      read_all(golden_folder(GetParam()) / "expected.safetensors").at("tokens");
  const at::Tensor before = logits_of(model, tokens);
  process_weights(model);
  EXPECT_TRUE(at::equal(before, logits_of(model, tokens)));
}

INSTANTIATE_TEST_SUITE_P(Models, EveryFamily, testing::ValuesIn(golden_names()),
                         [](const auto& model) { return model.param; });

TEST(ProcessWeights, LeavesAPostNormModelItsGainsAndMeans) {
  const LoadedModel model = load_model(golden_folder("opt_350m_style"));
  const LoadedModel processed = process_weights(model);
  EXPECT_FALSE(processed.config.norm_folded);
  EXPECT_TRUE(processed.weights.blocks[0].ln1.w.defined());
  EXPECT_TRUE(at::equal(processed.weights.blocks[0].attn.W_O.dense(),
                        model.weights.blocks[0].attn.W_O.dense()));
}

TEST(ProcessWeights, UntiesATiedEmbedding) {
  const LoadedModel model = load_model(golden_folder("gpt2"));
  ASSERT_TRUE(model.config.tied);
  const LoadedModel processed = process_weights(model);
  EXPECT_FALSE(processed.config.tied);
  EXPECT_FALSE(processed.weights.W_U.is_same(processed.weights.W_E));
}

TEST(ProcessWeights, DoesOnlyTheStepsAskedFor) {
  const LoadedModel model = load_model(golden_folder("gpt2"));
  ProcessOptions none;
  none.fold_norm = none.center_writing_weights = false;
  none.center_unembed = none.fold_value_biases = false;
  const LoadedModel same = process_weights(model, none);
  EXPECT_TRUE(same.weights.W_U.is_same(model.weights.W_U));
  ProcessOptions center = none;
  center.center_unembed = true;
  const LoadedModel centered = process_weights(model, center);
  EXPECT_LT(centered.weights.W_U.dense().mean(1).abs().max().item<double>(), 1e-6);
  EXPECT_TRUE(centered.weights.blocks[0].ln1.w.defined());
}

}  // namespace
}  // namespace weir
