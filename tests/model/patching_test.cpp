// Reading, replacing and differentiating activations of whole models.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/model/golden_model.h"
#include "weir/base/error.h"
#include "weir/hooks/intervention.h"

namespace weir {
namespace {

using Op = Intervention::Op;

Intervention change(std::string where, Op op, at::Tensor value) {
  Intervention intervention;
  intervention.where = std::move(where);
  intervention.op = op;
  intervention.value = std::move(value);
  return intervention;
}

class Patching : public testing::TestWithParam<std::string> {
 protected:
  explicit Patching(at::ScalarType dtype = at::kFloat)
      : model_(load_model(golden_folder(GetParam()))),
        transformer_(model_.config, model_.weights, dtype),
        tokens_(read_all(golden_folder(GetParam()) / "expected.safetensors").at("tokens")) {}

  at::Tensor run(const at::Tensor& tokens, const std::vector<Intervention>& interventions,
                 ActivationCache* cache = nullptr) const {
    Hooks hooks(transformer_.hook_names());
    const auto guards = attach(hooks, interventions, tokens.size(1));
    if (cache != nullptr) cache->attach(hooks);
    ForwardInput input;
    input.tokens = tokens;
    input.hooks = &hooks;
    return transformer_.forward(input).logits;
  }

  LoadedModel model_;
  Transformer transformer_;
  at::Tensor tokens_;
};

// Rounding only: a hook may send the forward along other operations (norms in two halves).
constexpr double kNothing = 5e-5;

TEST_P(Patching, CleanIntoCleanChangesNothing) {
  ActivationCache clean;
  const at::Tensor logits = run(tokens_, {}, &clean);
  for (const std::string& name : transformer_.hook_names()) {
    EXPECT_LT(max_difference(run(tokens_, {change(name, Op::kReplace, clean[name])}), logits),
              kNothing)
        << name;
  }
}

TEST_P(Patching, TheWholeStreamFromAnotherPromptGivesItsLogits) {
  const at::Tensor other = (tokens_ + 7).remainder(model_.config.d_vocab);
  ActivationCache theirs(only({"*hook_resid_post"}));
  const at::Tensor logits = run(other, {}, &theirs);
  for (int64_t layer = 0; layer < model_.config.n_layers; ++layer) {
    const std::string name = "blocks." + std::to_string(layer) + ".hook_resid_post";
    EXPECT_LT(max_difference(run(tokens_, {change(name, Op::kReplace, theirs[name])}), logits),
              kNothing);
  }
}

TEST_P(Patching, RowsOfABatchAreEightIndependentExperiments) {
  const at::Tensor one = tokens_.slice(0, 0, 1);
  const int64_t d = model_.config.d_model, k = model_.config.d_head;
  at::manual_seed(3);
  std::vector<Intervention> experiments = {
      change("blocks.0.hook_resid_pre", Op::kAdd, at::randn({d})),
      change("blocks.1.hook_resid_pre", Op::kProject, at::randn({2, d})),
      change("blocks.0.attn.hook_z", Op::kReplace, at::zeros({})),
      change("blocks.1.attn.hook_v", Op::kScale, at::full({}, -0.5)),
      change("blocks.1.hook_mlp_out", Op::kReplace, at::randn({d})),
      change("blocks.0.hook_q_input", Op::kAdd, at::randn({d})),
      change("blocks.1.attn.hook_result", Op::kScale, at::full({}, 2.0)),
      change("blocks.0.attn.hook_k", Op::kAdd, at::randn({k}))};
  experiments[0].positions = {{-1}};
  experiments[2].heads = {{0, 1}};
  experiments[4].positions = {{2, 5}};
  experiments[5].heads = {{1}};
  experiments[6].heads = {{0}};
  experiments[7].positions = {{1}};  // The same shift of every key would cancel in the softmax.
  std::vector<Intervention> together;
  for (size_t row = 0; row < experiments.size(); ++row) {
    together.push_back(experiments[row]);
    together.back().rows = {{static_cast<int64_t>(row)}};
  }
  const at::Tensor batch = run(one.repeat({8, 1}), together);
  const at::Tensor untouched = run(one, {});
  for (size_t row = 0; row < experiments.size(); ++row) {
    const at::Tensor alone = run(one, {experiments[row]});
    const auto i = static_cast<int64_t>(row);
    EXPECT_LT(max_difference(batch.slice(0, i, i + 1), alone), kNothing) << "experiment " << row;
    EXPECT_GT(max_difference(alone, untouched), 1e-3) << "experiment " << row;
  }
}

TEST_P(Patching, AHeadSilencedInZOrInItsResultIsTheSame) {
  Intervention z = change("blocks.1.attn.hook_z", Op::kReplace, at::zeros({}));
  Intervention result = change("blocks.1.attn.hook_result", Op::kScale, at::zeros({}));
  z.heads = result.heads = {{1}};
  EXPECT_LT(max_difference(run(tokens_, {z}), run(tokens_, {result})), kNothing);
}

TEST_P(Patching, TheInputOfOneQueryHeadMovesThatHeadAlone) {
  ActivationCache clean(only({"blocks.1.attn.hook_q"})), moved(only({"blocks.1.attn.hook_q"}));
  run(tokens_, {}, &clean);
  at::manual_seed(4);
  Intervention push = change("blocks.1.hook_q_input", Op::kAdd, at::randn({model_.config.d_model}));
  push.heads = {{1}};
  run(tokens_, {push}, &moved);
  const at::Tensor& before = clean["blocks.1.attn.hook_q"];
  const at::Tensor& after = moved["blocks.1.attn.hook_q"];
  for (int64_t head = 0; head < model_.config.n_heads; ++head) {
    const double difference = max_difference(before.select(2, head), after.select(2, head));
    if (head == 1) {
      EXPECT_GT(difference, 0.01);
    } else {
      EXPECT_LT(difference, kNothing);
    }
  }
}

TEST_P(Patching, AttentionInputIsThatOfQueriesKeysAndValuesAtOnce) {
  at::manual_seed(6);
  const at::Tensor push = at::randn({model_.config.d_model});
  std::vector<Intervention> apart = {change("blocks.0.hook_q_input", Op::kAdd, push)};
  if (model_.config.n_kv_heads == model_.config.n_heads) {
    apart.push_back(change("blocks.0.hook_k_input", Op::kAdd, push));
    apart.push_back(change("blocks.0.hook_v_input", Op::kAdd, push));
  }
  const at::Tensor joint = run(tokens_, {change("blocks.0.hook_attn_in", Op::kAdd, push)});
  EXPECT_LT(max_difference(joint, run(tokens_, apart)), kNothing);
}

TEST_P(Patching, HookOfANameBeyondTheStopIsNeverCalled) {
  Hooks hooks(transformer_.hook_names());
  int n_calls = 0;
  hooks.add("blocks.1.*", [&](const at::Tensor& x, const HookContext&) {
    ++n_calls;
    return x;
  });
  ForwardInput input;
  input.tokens = tokens_;
  input.hooks = &hooks;
  input.stop_at_layer = 1;
  transformer_.forward(input);
  EXPECT_EQ(n_calls, 0);
}

TEST_P(Patching, WhileDecodingPositionsCountFromTheStartOfTheSequence) {
  Intervention push =
      change("blocks.0.hook_resid_post", Op::kAdd, at::ones({model_.config.d_model}));
  push.positions = {{5}};
  const at::Tensor prompt = tokens_.slice(1, 0, 7);
  const at::Tensor whole = run(prompt, {push});
  Hooks hooks(transformer_.hook_names());
  const auto guards = attach(hooks, {push}, prompt.size(1));
  KvCache cache(model_.config.n_layers);
  for (int64_t position = 0; position < prompt.size(1); ++position) {
    ForwardInput input;
    input.tokens = prompt.slice(1, position, position + 1);
    input.hooks = &hooks;
    input.cache = &cache;
    const at::Tensor logits = transformer_.forward(input).logits;
    EXPECT_LT(max_difference(logits, whole.slice(1, position, position + 1)), 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Patching,
                         testing::Values("gpt2", "gpt_neox", "llama_gqa_tied", "gemma2", "qwen3",
                                         "olmo2", "opt_350m_style", "bloom", "phi"),
                         [](const auto& instance) { return instance.param; });

class ActivationGradients : public Patching {
 protected:
  ActivationGradients() : Patching(at::kDouble) {}
};

// Every cached activation's gradient against a central difference along a random direction, in
// float64 from tokens with frozen weights.
TEST_P(ActivationGradients, EqualFiniteDifferences) {
  const auto metric = [&](const at::Tensor& logits) { return next_token_loss(logits, tokens_); };
  for (const std::string& name : transformer_.hook_names()) {
    CacheOptions options = only({name});
    options.gradients = true;
    ActivationCache cache(options);
    const at::Tensor value = metric(run(tokens_, {}, &cache));
    const auto gradients = cache.gradients(value);
    ASSERT_EQ(gradients.count(name), 1U) << name;
    const at::Tensor& gradient = gradients.at(name);
    ASSERT_TRUE(gradient.defined()) << name;
    at::manual_seed(9);
    at::Tensor direction = at::randn(gradient.sizes(), gradient.options());
    if (glob_matches("*.hook_attn_scores", name)) {
      direction = at::where(cache[name].isinf(), at::zeros_like(direction), direction);
    }
    const double h = 1e-5;
    const double difference = ((metric(run(tokens_, {change(name, Op::kAdd, direction * h)})) -
                                metric(run(tokens_, {change(name, Op::kAdd, direction * -h)}))) /
                               (2 * h))
                                  .item<double>();
    const double expected = (gradient * direction).sum().item<double>();
    EXPECT_NEAR(expected, difference, 1e-5 * std::max(1.0, std::abs(difference))) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ActivationGradients,
                         testing::Values("gpt2", "gpt_neox", "llama_gqa_tied", "gemma2", "qwen3"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace weir
