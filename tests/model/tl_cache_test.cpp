// Every hook point against TransformerLens 3.9.0 (models/*/tl_cache.safetensors):
// names, shapes and values. float32 rounding of either side stays below 1e-5 on activations of
// order 1 to 10; scores reach about 100.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "weir/hooks/activation_cache.h"

namespace weir {
namespace {

constexpr double kTolerance = 1e-4;

class GoldenModelsCache : public testing::TestWithParam<std::string> {
 protected:
  GoldenModelsCache()
      : model_(load_model(golden_case(GetParam()))),
        transformer_(model_.config, model_.weights),
        expected_(read_all(golden_case(GetParam()) / "tl_cache.safetensors")) {}

  LoadedModel model_;
  Transformer transformer_;
  std::map<std::string, at::Tensor> expected_;
};

TEST_P(GoldenModelsCache, EveryHookMatchesByNameShapeAndValue) {
  Hooks hooks(transformer_.hook_names());
  ActivationCache cache;
  cache.attach(hooks);
  ForwardInput input;
  input.tokens = expected_.at("tokens");
  input.hooks = &hooks;
  const at::Tensor logits = transformer_.forward(input).logits;
  EXPECT_LT(max_difference(logits, expected_.at("logits")), kTolerance);
  for (const auto& [name, reference] : expected_) {
    if (name == "tokens" || name == "logits") continue;
    ASSERT_TRUE(cache.contains(name)) << name;
    EXPECT_EQ(cache[name].sizes(), reference.sizes()) << name;
    EXPECT_LT(max_difference(cache[name], reference), kTolerance) << name;
  }
}

TEST_P(GoldenModelsCache, NoHookIsOursAloneButAttentionInput) {
  for (const std::string& name : transformer_.hook_names()) {
    // The golden cache leaves hook_attn_in out: its values are those of hook_q_input.
    if (glob_matches("*.hook_attn_in", name)) continue;
    EXPECT_EQ(expected_.count(name), 1U) << name;
  }
}

TEST_P(GoldenModelsCache, HookNamesAreInFiringOrder) {
  Hooks hooks(transformer_.hook_names());
  ActivationCache cache;
  cache.attach(hooks);
  ForwardInput input;
  input.tokens = expected_.at("tokens");
  input.hooks = &hooks;
  transformer_.forward(input);
  EXPECT_EQ(cache.names(), transformer_.hook_names());
}

// TransformerLens knows few of the families, so a folder of goldens may be without any.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenModelsCache);
INSTANTIATE_TEST_SUITE_P(Models, GoldenModelsCache,
                         testing::ValuesIn(golden_folders("models", "tl_cache.safetensors")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
