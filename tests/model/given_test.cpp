// Values that are given instead of computed: the same logits, and nothing before them runs.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "weir/base/error.h"
#include "weir/hooks/intervention.h"

namespace weir {
namespace {

// A given site may send the forward along other operations (norms in two halves, attention through
// its maps); logits of about 10 in float32.
constexpr double kRounding = 1e-4;

class Given : public testing::TestWithParam<std::string> {
 protected:
  Given()
      : model_(load_model(golden_folder(GetParam()))),
        transformer_(model_.config, model_.weights),
        tokens_(read_all(golden_folder(GetParam()) / "expected.safetensors").at("tokens")) {}

  at::Tensor run(const Hooks* hooks, const Weights* weights = nullptr) const {
    ForwardInput input;
    input.tokens = tokens_;
    input.hooks = hooks;
    return transformer_.forward(weights != nullptr ? *weights : transformer_.weights(), input)
        .logits;
  }

  ActivationCache clean() const {
    Hooks hooks(transformer_.hook_names());
    ActivationCache cache;
    cache.attach(hooks);
    run(&hooks);
    return cache;
  }

  LoadedModel model_;
  Transformer transformer_;
  at::Tensor tokens_;
};

TEST_P(Given, TheValueItHasAnywayChangesNothing) {
  const ActivationCache cache = clean();
  const at::Tensor logits = run(nullptr);
  for (const std::string& name : transformer_.hook_names()) {
    Hooks hooks(transformer_.hook_names());
    hooks.give(name, cache[name]);
    EXPECT_LT(max_difference(run(&hooks), logits), kRounding) << name;
  }
}

TEST_P(Given, IsWhatAReplacingHookMakes) {
  const ActivationCache cache = clean();
  for (const std::string& name : transformer_.hook_names()) {
    if (name.rfind("blocks.1.", 0) != 0 || name.find("hook_scale") != std::string::npos) continue;
    const at::Tensor value = cache[name] * 0.5;
    Hooks giving(transformer_.hook_names()), replacing(transformer_.hook_names());
    giving.give(name, value);
    replacing.add(name, [&](const at::Tensor&, const HookContext&) { return value; });
    EXPECT_LT(max_difference(run(&giving), run(&replacing)), kRounding) << name;
  }
}

// Weights that would poison everything they touch show that they are not read.
TEST_P(Given, WhatFeedsOnlyItIsNotComputed) {
  const ActivationCache cache = clean();
  const at::Tensor logits = run(nullptr);
  const at::Tensor nan = at::full({}, NAN);
  const auto poison = [&](Matrix& matrix) { matrix = Matrix(matrix.dense(at::kFloat) + nan); };
  struct Case {
    std::vector<const char*> given;
    std::function<void(BlockWeights&)> spoil;
  };
  const std::vector<Case> cases = {
      {{"attn.hook_z"},
       [&](BlockWeights& b) { poison(b.attn.W_Q), poison(b.attn.W_K), poison(b.attn.W_V); }},
      {{"attn.hook_result"},
       [&](BlockWeights& b) { poison(b.attn.W_Q), poison(b.attn.W_V), poison(b.attn.W_O); }},
      {{"hook_attn_out"},
       [&](BlockWeights& b) { poison(b.attn.W_Q), poison(b.attn.W_V), poison(b.attn.W_O); }},
      {{"attn.hook_pattern"}, [&](BlockWeights& b) { poison(b.attn.W_Q), poison(b.attn.W_K); }},
      {{"attn.hook_attn_scores"}, [&](BlockWeights& b) { poison(b.attn.W_Q), poison(b.attn.W_K); }},
      {{"attn.hook_q"}, [&](BlockWeights& b) { poison(b.attn.W_Q); }},
      {{"attn.hook_k", "attn.hook_v"},
       [&](BlockWeights& b) { poison(b.attn.W_K), poison(b.attn.W_V); }},
      {{"hook_mlp_out"}, [&](BlockWeights& b) { poison(b.mlp.W_in), poison(b.mlp.W_out); }},
      {{"mlp.hook_post"}, [&](BlockWeights& b) { poison(b.mlp.W_in); }},
      {{"hook_resid_post"}, [&](BlockWeights& b) { poison(b.attn.W_O), poison(b.mlp.W_out); }}};
  for (const Case& one : cases) {
    Hooks hooks(transformer_.hook_names());
    Weights spoiled = transformer_.weights();
    for (int64_t layer = 0; layer < model_.config.n_layers; ++layer) {
      one.spoil(spoiled.blocks[layer]);
      for (const char* site : one.given) {
        const std::string name = "blocks." + std::to_string(layer) + "." + site;
        hooks.give(name, cache[name]);
      }
    }
    EXPECT_LT(max_difference(run(&hooks, &spoiled), logits), kRounding) << one.given[0];
  }
}

TEST_P(Given, AWholeReplacementByAnInterventionIsGiven) {
  Weights spoiled = transformer_.weights();
  for (BlockWeights& block : spoiled.blocks) {
    block.attn.W_O = Matrix(block.attn.W_O.dense(at::kFloat) + at::full({}, NAN));
  }
  Intervention none;
  none.where = "*hook_attn_out";
  none.value = at::zeros({});
  Hooks hooks(transformer_.hook_names());
  {
    const auto guards = attach(hooks, {none}, tokens_.size(1));
    EXPECT_TRUE(run(&hooks, &spoiled).isfinite().all().item<bool>());
  }
  EXPECT_FALSE(hooks.any()) << "taken back at the end of the guards' scope";
}

TEST_P(Given, HooksSeeTheValueAndThoseBeforeItKeepTheirActivations) {
  const ActivationCache cache = clean();
  Hooks hooks(transformer_.hook_names());
  ActivationCache seen;
  seen.attach(hooks);
  const std::string z = "blocks.0.attn.hook_z", q = "blocks.0.attn.hook_q";
  hooks.give(z, at::zeros({}));
  run(&hooks);
  EXPECT_EQ(seen[z].abs().max().item<float>(), 0);
  EXPECT_LT(max_difference(seen[q], cache[q]), kRounding);
}

TEST_P(Given, AKvCacheIsFilledAllTheSame) {
  if (model_.config.rotary.depends_on_length()) GTEST_SKIP() << "no step by step";
  const ActivationCache all = clean();
  const int64_t n = tokens_.size(1);
  for (const char* site : {"hook_attn_out", "attn.hook_z", "attn.hook_pattern", "attn.hook_k"}) {
    KvCache cache(model_.config.n_layers);
    ForwardInput input;
    input.tokens = tokens_.slice(1, 0, n - 1);
    input.cache = &cache;
    Hooks hooks(transformer_.hook_names());
    for (int64_t layer = 0; layer < model_.config.n_layers; ++layer) {
      const std::string name = "blocks." + std::to_string(layer) + "." + site;
      const bool is_map = std::string(site) == "attn.hook_pattern";
      at::Tensor value = all[name].slice(is_map ? 2 : 1, 0, n - 1);
      hooks.give(name, is_map ? value.slice(3, 0, n - 1) : value);
    }
    input.hooks = &hooks;
    transformer_.forward(input);
    ForwardInput last;
    last.tokens = tokens_.slice(1, n - 1);
    last.cache = &cache;
    EXPECT_LT(max_difference(transformer_.forward(last).logits.select(1, 0),
                             run(nullptr).select(1, n - 1)),
              kRounding)
        << site;
  }
}

TEST_P(Given, AValueOfAnotherShapeIsRefused) {
  Hooks hooks(transformer_.hook_names());
  hooks.give("blocks.0.hook_attn_out", at::zeros({model_.config.d_model + 1}));
  EXPECT_THROW(run(&hooks), Error);
  EXPECT_THROW(hooks.give("blocks.0.hook_nothing", at::zeros({})), Error);
}

INSTANTIATE_TEST_SUITE_P(Families, Given,
                         testing::Values("gpt2", "llama_gqa_tied", "gemma3_text", "gpt_neox",
                                         "olmo2", "bloom", "bloom_post_norm", "phi_qk_norm",
                                         "stablelm_12b_style"),
                         [](const auto& family) { return family.param; });

}  // namespace
}  // namespace weir
