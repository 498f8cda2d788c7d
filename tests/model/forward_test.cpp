// What one forward promises apart from its numbers: it can be cut anywhere, extended by a cache,
// run with other weights, differentiated, run in other types and from several threads.
#include <thread>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/model/golden_model.h"
#include "weir/base/error.h"
#include "weir/hooks/intervention.h"

namespace weir {
namespace {

// Two orders of summation in float32 on logits of about 10.
constexpr double kRounding = 1e-4;

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

class Forward : public testing::TestWithParam<std::string> {
 protected:
  explicit Forward(at::ScalarType dtype = at::kFloat)
      : model_(load_model(golden_folder(GetParam()))),
        transformer_(model_.config, model_.weights, dtype),
        tokens_(read_all(golden_folder(GetParam()) / "expected.safetensors").at("tokens")) {}

  ForwardInput input() const {
    ForwardInput input;
    input.tokens = tokens_;
    return input;
  }

  LoadedModel model_;
  Transformer transformer_;
  at::Tensor tokens_;
};

TEST_P(Forward, StopsAtAnyLayerAndGoesOnFromThere) {
  Hooks hooks(transformer_.hook_names());
  ActivationCache cache(only({"*hook_resid_pre"}));
  cache.attach(hooks);
  ForwardInput whole = input();
  whole.hooks = &hooks;
  const at::Tensor logits = transformer_.forward(whole).logits;
  for (int64_t layer = 0; layer < model_.config.n_layers; ++layer) {
    ForwardInput first = input();
    first.stop_at_layer = layer;
    const ForwardOutput stopped = transformer_.forward(first);
    EXPECT_FALSE(stopped.logits.defined());
    EXPECT_TRUE(
        stopped.residual.equal(cache["blocks." + std::to_string(layer) + ".hook_resid_pre"]));
    ForwardInput rest;
    rest.residual = stopped.residual;
    rest.start_layer = layer;
    EXPECT_TRUE(transformer_.forward(rest).logits.equal(logits)) << "from layer " << layer;
  }
}

TEST_P(Forward, StartsFromEmbeddings) {
  Hooks hooks(transformer_.hook_names());
  ActivationCache cache(only({"hook_embed"}));
  cache.attach(hooks);
  ForwardInput whole = input();
  whole.hooks = &hooks;
  const at::Tensor logits = transformer_.forward(whole).logits;
  ForwardInput from_embeddings;
  from_embeddings.embeddings = cache["hook_embed"];
  EXPECT_TRUE(transformer_.forward(from_embeddings).logits.equal(logits));
}

TEST_P(Forward, UnembedsOnlyWhatIsWanted) {
  const ForwardOutput whole = transformer_.forward(input());
  ForwardInput last = input();
  last.logits = LogitsAt::kLast;
  EXPECT_LT(max_difference(transformer_.forward(last).logits,
                           whole.logits.slice(1, whole.logits.size(1) - 1)),
            kRounding);
  ForwardInput none = input();
  none.logits = LogitsAt::kNone;
  const ForwardOutput output = transformer_.forward(none);
  EXPECT_FALSE(output.logits.defined());
  EXPECT_LT(max_difference(transformer_.unembed(output.residual), whole.logits), kRounding);
}

// Feeds tokens [first, last) to a cache that holds those before; a cache that rope scaling has
// made stale is filled anew, as can_extend_cache says.
at::Tensor step(const Transformer& transformer, const at::Tensor& tokens, const at::Tensor& mask,
                KvCache& cache, int64_t first, int64_t last) {
  if (!transformer.can_extend_cache(first, last)) {
    cache = KvCache(transformer.config().n_layers);
    first = 0;
  }
  ForwardInput input;
  input.tokens = tokens.slice(1, first, last);
  if (mask.defined()) input.attention_mask = mask.slice(1, 0, last);
  input.cache = &cache;
  const at::Tensor logits = transformer.forward(input).logits;
  EXPECT_EQ(cache.length(), last);
  return logits.slice(1, logits.size(1) - 1);
}

// All at once over the tokens up to each position: the context that defines rope scaling.
TEST_P(Forward, StepByStepWithACacheEqualsAllAtOnce) {
  const int64_t length = tokens_.size(1);
  for (const int64_t stride : {1, 3}) {
    KvCache cache(model_.config.n_layers);
    for (int64_t first = 0; first < length; first += stride) {
      const int64_t last = std::min(first + stride, length);
      const at::Tensor stepped = step(transformer_, tokens_, {}, cache, first, last);
      ForwardInput whole;
      whole.tokens = tokens_.slice(1, 0, last);
      whole.logits = LogitsAt::kLast;
      EXPECT_LT(max_difference(stepped, transformer_.forward(whole).logits), kRounding)
          << "position " << last - 1 << ", stride " << stride;
    }
  }
}

TEST_P(Forward, StepByStepEqualsAllAtOnceWithLeftPads) {
  const int64_t length = tokens_.size(1);
  at::Tensor mask = at::ones_like(tokens_, at::kBool);
  mask.select(0, 1).slice(0, 0, 3).fill_(false);
  KvCache cache(model_.config.n_layers);
  for (int64_t last = 4; last <= length; ++last) {
    const int64_t first = last == 4 ? 0 : last - 1;
    const at::Tensor stepped = step(transformer_, tokens_, mask, cache, first, last);
    ForwardInput whole;
    whole.tokens = tokens_.slice(1, 0, last);
    whole.attention_mask = mask.slice(1, 0, last);
    whole.logits = LogitsAt::kLast;
    EXPECT_LT(max_difference(stepped, transformer_.forward(whole).logits), kRounding);
  }
}

TEST_P(Forward, APaddedRowGivesWhatItGivesAlone) {
  // Rope scaling by length looks at the longest row, so its other rows do change.
  if (model_.config.rotary.depends_on_length()) GTEST_SKIP() << "rows share one length";
  const int64_t n_pads = 5, length = tokens_.size(1);
  at::Tensor padded = tokens_.clone();
  padded.select(0, 1).slice(0, n_pads).copy_(tokens_[1].slice(0, 0, length - n_pads));
  at::Tensor mask = at::ones_like(tokens_, at::kBool);
  mask.select(0, 1).slice(0, 0, n_pads).fill_(false);
  ForwardInput both = input();
  both.tokens = padded;
  both.attention_mask = mask;
  ForwardInput alone;
  alone.tokens = tokens_.slice(0, 1).slice(1, 0, length - n_pads);
  EXPECT_LT(max_difference(transformer_.forward(both).logits.slice(0, 1).slice(1, n_pads),
                           transformer_.forward(alone).logits),
            kRounding);
}

TEST_P(Forward, ARowOfPadsAloneStaysFinite) {
  ForwardInput padded = input();
  padded.attention_mask = at::ones_like(tokens_, at::kBool);
  padded.attention_mask.select(0, 0).fill_(false);
  EXPECT_TRUE(transformer_.forward(padded).logits.isfinite().all().item<bool>());
}

TEST_P(Forward, HooksThatOnlyLookChangeNothing) {
  const at::Tensor plain = transformer_.forward(input()).logits;
  Hooks hooks(transformer_.hook_names());
  for (const std::string& name : transformer_.hook_names()) {
    // A hook here makes the forward take its long way: norms in two halves, heads one by one.
    const bool other_operations =
        glob_matches("*.hook_scale", name) || glob_matches("*.hook_normalized", name) ||
        glob_matches("*.hook_result", name) || glob_matches("*.hook_pattern", name) ||
        glob_matches("*.hook_attn_scores", name);
    if (other_operations) continue;
    hooks.add(name, [](const at::Tensor& activation, const HookContext&) { return activation; });
  }
  ForwardInput looked_at = input();
  looked_at.hooks = &hooks;
  EXPECT_TRUE(transformer_.forward(looked_at).logits.equal(plain));
  ActivationCache everything;
  Hooks all(transformer_.hook_names());
  everything.attach(all);
  looked_at.hooks = &all;
  EXPECT_LT(max_difference(transformer_.forward(looked_at).logits, plain), kRounding);
}

TEST_P(Forward, AnOverlayOfWeightsLastsOneCall) {
  const at::Tensor before = transformer_.forward(input()).logits;
  Weights overlay = transformer_.weights();
  const std::string name = "blocks.1.attn.W_O";
  set_parameter(overlay, model_.config, name,
                at::zeros_like(get_parameter(overlay, model_.config, name)));
  const at::Tensor edited = transformer_.forward(overlay, input()).logits;
  Hooks hooks(transformer_.hook_names());
  hooks.add("blocks.1.attn.hook_z",
            [](const at::Tensor& z, const HookContext&) { return at::zeros_like(z); });
  ForwardInput silenced = input();
  silenced.hooks = &hooks;
  EXPECT_LT(max_difference(edited, transformer_.forward(silenced).logits), kRounding);
  EXPECT_GT(max_difference(edited, before), 0.01);
  EXPECT_TRUE(transformer_.forward(input()).logits.equal(before));
}

TEST_P(Forward, BFloat16StaysNearFloat32) {
  const at::Tensor exact = transformer_.forward(input()).logits;
  const Transformer half(model_.config, model_.weights, at::kBFloat16);
  const at::Tensor logits = half.forward(input()).logits;
  EXPECT_EQ(logits.scalar_type(), at::kBFloat16);
  // 8 bits: each rounding is off by up to 0.4 %, and some tens of them follow one another.
  const double error = (logits.to(at::kFloat) - exact).norm().item<double>();
  EXPECT_LT(error / exact.norm().item<double>(), 0.05);
}

INSTANTIATE_TEST_SUITE_P(Models, Forward, testing::ValuesIn(golden_names()),
                         [](const auto& instance) { return instance.param; });

// In float64, so that finite differences are good to about 1e-7.
class Derivative : public Forward {
 protected:
  Derivative() : Forward(at::kDouble) {}

  // Compares d f / d x along a random direction with its central difference.
  void check(const std::function<at::Tensor(const at::Tensor&)>& f, const at::Tensor& at_x) {
    const at::Tensor x = at_x.detach().to(at::kDouble).clone().requires_grad_(true);
    at::manual_seed(5);
    const at::Tensor direction = at::randn(x.sizes(), x.options());
    const at::Tensor gradient = torch::autograd::grad({f(x)}, {x})[0];
    const double expected = (gradient * direction).sum().item<double>();
    const at::NoGradGuard no_grad;
    const double h = 1e-6;  // Small: the kink of one of OPT's ReLUs may not lie in between.
    const double difference =
        ((f(x + h * direction) - f(x - h * direction)) / (2 * h)).item<double>();
    EXPECT_NEAR(expected, difference, 1e-5 * std::max(1.0, std::abs(difference)));
  }

  at::Tensor loss(const at::Tensor& logits) const { return next_token_loss(logits, tokens_); }
};

TEST_P(Derivative, ReachesEmbeddings) {
  const at::Tensor embeddings =
      at::randn({tokens_.size(0), tokens_.size(1), model_.config.d_model}, at::kDouble);
  check(
      [&](const at::Tensor& x) {
        ForwardInput from;
        from.embeddings = x;
        return loss(transformer_.forward(from).logits);
      },
      embeddings);
}

TEST_P(Derivative, ReachesTheResidualStreamAtALayer) {
  ForwardInput first = input();
  first.stop_at_layer = 1;
  check(
      [&](const at::Tensor& x) {
        ForwardInput rest;
        rest.residual = x;
        rest.start_layer = 1;
        return loss(transformer_.forward(rest).logits);
      },
      transformer_.forward(first).residual);
}

TEST_P(Derivative, ReachesOverlaidWeightsUnderTheirNames) {
  Weights handles = transformer_.weights();
  for (const Parameter& parameter : parameters(handles, model_.config)) {
    if (parameter.name.rfind("blocks.", 0) == 0 && parameter.name.rfind("blocks.0", 0) != 0) {
      continue;
    }
    SCOPED_TRACE(parameter.name);
    check(
        [&](const at::Tensor& value) {
          Weights overlay = transformer_.weights();
          set_parameter(overlay, model_.config, parameter.name, value);
          return loss(transformer_.forward(overlay, input()).logits);
        },
        parameter.get(at::kDouble));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Derivative, testing::ValuesIn(golden_names()),
                         [](const auto& instance) { return instance.param; });

struct SmallModel {
  LoadedModel model = load_model(golden_folder("gpt2"));
  Transformer transformer{model.config, model.weights};
  at::Tensor tokens = read_all(golden_folder("gpt2") / "expected.safetensors").at("tokens");
  ForwardInput input() const {
    ForwardInput result;
    result.tokens = tokens;
    return result;
  }
};

TEST(ForwardInput, NamesATokenOutsideTheVocabulary) {
  const SmallModel small;
  for (const int64_t id : {int64_t{97}, int64_t{1} << 40, int64_t{-3}}) {
    ForwardInput input = small.input();
    input.tokens = small.tokens.clone();
    input.tokens[1][2].fill_(id);
    const std::string message = message_of([&] { small.transformer.forward(input); });
    EXPECT_NE(message.find(std::to_string(id)), std::string::npos) << message;
    EXPECT_NE(message.find("97"), std::string::npos) << message;
  }
}

TEST(ForwardInput, IsCheckedBeforeAnythingRuns) {
  const SmallModel small;
  const auto refused = [&](const std::function<void(ForwardInput&)>& spoil) {
    ForwardInput input = small.input();
    spoil(input);
    return message_of([&] { small.transformer.forward(input); });
  };
  refused([](ForwardInput& input) { input.tokens = at::Tensor(); });
  refused([](ForwardInput& input) { input.residual = at::zeros({2, 4, 32}); });
  refused([](ForwardInput& input) { input.tokens = input.tokens[0]; });
  refused([](ForwardInput& input) { input.tokens = input.tokens.slice(1, 0, 0); });
  refused([](ForwardInput& input) { input.attention_mask = at::ones({2, 3}); });
  refused([](ForwardInput& input) { input.stop_at_layer = 4; });
  refused([](ForwardInput& input) { input.start_layer = 1; });
  refused([](ForwardInput& input) {
    input.tokens = at::Tensor();
    input.residual = at::zeros({1, 4, 31});
  });
  const std::string message = refused([](ForwardInput& input) {
    input.tokens = at::zeros({1, 49}, at::kLong);
  });
  EXPECT_NE(message.find("48"), std::string::npos) << message;
}

TEST(Forward, RefusesFloat16OnTheCpu) {
  const SmallModel small;
  try {
    Transformer(small.model.config, small.model.weights, at::kHalf);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

TEST(Forward, ACacheRefusesToCarryGradients) {
  const SmallModel small;
  KvCache cache(small.model.config.n_layers);
  ForwardInput input;
  input.embeddings = at::randn({1, 3, 32}).requires_grad_(true);
  input.cache = &cache;
  message_of([&] { small.transformer.forward(input); });
}

TEST(Forward, APrefixIsSharedByManyContinuations) {
  const SmallModel small;
  const at::Tensor prefix = small.tokens.slice(0, 0, 1).slice(1, 0, 6);
  KvCache cache(small.model.config.n_layers);
  ForwardInput first;
  first.tokens = prefix;
  first.cache = &cache;
  small.transformer.forward(first);
  KvCache three = cache.select(at::zeros({3}, at::kLong));
  ForwardInput next;
  next.tokens = at::tensor({{5}, {9}, {13}}, at::kLong).view({3, 1});
  next.cache = &three;
  const at::Tensor together = small.transformer.forward(next).logits;
  for (int64_t row = 0; row < 3; ++row) {
    ForwardInput whole;
    whole.tokens = at::cat({prefix, next.tokens.slice(0, row, row + 1)}, 1);
    whole.logits = LogitsAt::kLast;
    EXPECT_LT(
        max_difference(together.slice(0, row, row + 1), small.transformer.forward(whole).logits),
        kRounding);
  }
  cache.truncate(4);
  EXPECT_EQ(cache.length(), 4);
  ForwardInput again;
  again.tokens = prefix.slice(1, 4);
  again.cache = &cache;
  ForwardInput plain;
  plain.tokens = prefix;
  EXPECT_LT(max_difference(small.transformer.forward(again).logits,
                           small.transformer.forward(plain).logits.slice(1, 4)),
            kRounding);
}

TEST(Forward, ThreadsWithHooksOfTheirOwnDoNotDisturbEachOther) {
  const SmallModel small;
  const auto run = [&](double scale) {
    Hooks hooks(small.transformer.hook_names());
    hooks.add("blocks.*.hook_mlp_out",
              [scale](const at::Tensor& x, const HookContext&) { return x * scale; });
    ForwardInput input = small.input();
    input.hooks = &hooks;
    return small.transformer.forward(input).logits;
  };
  const double scales[] = {0.0, 0.5, 2.0, -1.0};
  std::vector<at::Tensor> alone;
  for (const double scale : scales) alone.push_back(run(scale));
  std::vector<int> n_equal(4, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 25; ++repeat) {
        n_equal[i] += max_difference(run(scales[i]), alone[i]) < kRounding ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_equal, std::vector<int>(4, 25));
}

}  // namespace
}  // namespace weir
