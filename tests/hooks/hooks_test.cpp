#include "weir/hooks/hooks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "weir/base/error.h"
#include "weir/hooks/activation_cache.h"

namespace weir {
namespace {

const std::vector<std::string> kNames = {"hook_embed",
                                         "blocks.0.hook_resid_pre",
                                         "blocks.0.attn.hook_pattern",
                                         "blocks.0.attn.hook_z",
                                         "blocks.0.attn.q_norm.hook_scale",
                                         "blocks.1.hook_resid_pre",
                                         "blocks.10.hook_resid_pre",
                                         "ln_final.hook_scale"};

ErrorCode code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kInternal;
}

HookFn adding(double amount) {
  return [amount](const at::Tensor& x, const HookContext&) { return x + amount; };
}

TEST(Glob, MatchesAsAShellDoes) {
  EXPECT_TRUE(glob_matches("blocks.*.hook_resid_pre", "blocks.10.hook_resid_pre"));
  EXPECT_TRUE(glob_matches("blocks.[0-3].attn.hook_z", "blocks.0.attn.hook_z"));
  EXPECT_FALSE(glob_matches("blocks.?.hook_resid_pre", "blocks.10.hook_resid_pre"));
  EXPECT_TRUE(glob_matches("blocks.[!0].hook_resid_pre", "blocks.1.hook_resid_pre"));
  EXPECT_FALSE(glob_matches("hook_resid_pre", "blocks.1.hook_resid_pre"));
  EXPECT_TRUE(glob_matches("*", ""));
}

TEST(Hooks, MatchesInForwardOrderWithoutRepeats) {
  const Hooks hooks(kNames);
  EXPECT_EQ(hooks.match(std::vector<std::string>{"blocks.1*", "*resid_pre"}),
            (std::vector<std::string>{"blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre",
                                      "blocks.10.hook_resid_pre"}));
}

TEST(Hooks, NamesTheNearestOfAnUnknownName) {
  Hooks hooks(kNames);
  for (const auto& call : std::vector<std::function<void()>>{
           [&] { hooks.at("blocks.0.attn.hook_x"); },
           [&] { hooks.add("blocks.0.attn.hook_x", adding(1)); },
           [&] {
             hooks.match(std::vector<std::string>{"hook_embed", "blocks.0.attn.hook_x"});
           }}) {
    try {
      call();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNotFound);
      EXPECT_NE(std::string(error.what()).find("blocks.0.attn.hook_z"), std::string::npos);
    }
  }
}

TEST(Hooks, RunsFunctionsInTheOrderTheyWereAdded) {
  Hooks hooks(kNames);
  hooks.add("hook_embed", adding(1));
  hooks.add("hook_*", [](const at::Tensor& x, const HookContext&) { return x * 10; });
  EXPECT_EQ(hooks.run("hook_embed", at::zeros({1, 2, 3}), 0).max().item<float>(), 10);
}

TEST(Hooks, PassesTheTensorItselfWhereNothingIsAttached) {
  const Hooks hooks(kNames);
  const at::Tensor x = at::zeros({1, 2, 3});
  EXPECT_TRUE(hooks.run("hook_embed", x, 0).is_same(x));
  EXPECT_FALSE(hooks.wants("hook_embed"));
  EXPECT_FALSE(hooks.any());
}

TEST(Hooks, TellsTheNameAndTheFirstPosition) {
  Hooks hooks(kNames);
  std::string seen;
  int64_t first = -1;
  hooks.add("blocks.1.hook_resid_pre", [&](const at::Tensor& x, const HookContext& context) {
    seen = context.name;
    first = context.first_position;
    return x;
  });
  hooks.run("blocks.1.hook_resid_pre", at::zeros({1, 1, 1}), 17);
  EXPECT_EQ(seen, "blocks.1.hook_resid_pre");
  EXPECT_EQ(first, 17);
}

TEST(Hooks, KnowsTheLastLayerThatAnythingIsAttachedTo) {
  Hooks hooks(kNames);
  EXPECT_EQ(hooks.last_layer(12), -1);
  hooks.add("hook_embed", adding(0));
  EXPECT_EQ(hooks.last_layer(12), -1);
  hooks.add("blocks.10.hook_resid_pre", adding(0));
  hooks.add("blocks.1.hook_resid_pre", adding(0));
  EXPECT_EQ(hooks.last_layer(12), 10);
  hooks.add("ln_final.hook_scale", adding(0));
  EXPECT_EQ(hooks.last_layer(12), 12);
}

TEST(HookPoint, RejectsAChangedShape) {
  HookPoint point;
  point.add([](const at::Tensor& x, const HookContext&) { return x.sum(); });
  EXPECT_EQ(code_of([&] {
              point(at::zeros({2, 3}), {"hook_embed", 0});
            }),
            ErrorCode::kInvalidArgument);
  HookPoint nothing;
  nothing.add([](const at::Tensor&, const HookContext&) { return at::Tensor(); });
  EXPECT_EQ(code_of([&] {
              nothing(at::zeros({2, 3}), {"hook_embed", 0});
            }),
            ErrorCode::kInvalidArgument);
}

TEST(ScopedHook, DetachesAtTheEndOfItsScopeAndLeavesOthers) {
  Hooks hooks(kNames);
  hooks.add("hook_embed", adding(1));
  {
    const ScopedHook scoped(hooks, "*", adding(100));
    EXPECT_TRUE(hooks.wants("ln_final.hook_scale"));
    EXPECT_EQ(hooks.run("hook_embed", at::zeros({1}), 0).item<float>(), 101);
  }
  EXPECT_FALSE(hooks.wants("ln_final.hook_scale"));
  EXPECT_EQ(hooks.run("hook_embed", at::zeros({1}), 0).item<float>(), 1);
}

CacheOptions options_with(const std::function<void(CacheOptions&)>& set) {
  CacheOptions options;
  set(options);
  return options;
}

TEST(ActivationCache, HoldsTheForwardsOwnTensors) {
  Hooks hooks(kNames);
  ActivationCache cache;
  cache.attach(hooks);
  const at::Tensor x = at::randn({2, 5, 4});
  hooks.run("blocks.0.hook_resid_pre", x, 0);
  EXPECT_EQ(cache["blocks.0.hook_resid_pre"].data_ptr(), x.data_ptr());
  EXPECT_EQ(cache.names(), std::vector<std::string>{"blocks.0.hook_resid_pre"});
  cache.clear();
  EXPECT_EQ(cache.size(), 0U);
}

TEST(ActivationCache, KeepsOnlyTheWantedPositionsAlongTheQueryAxis) {
  Hooks hooks(kNames);
  ActivationCache cache(options_with([](CacheOptions& options) { options.positions = {{0, -1}}; }));
  cache.attach(hooks);
  const at::Tensor stream = at::randn({2, 5, 4}), pattern = at::randn({2, 3, 5, 5});
  const at::Tensor flattened = at::randn({2 * 5 * 3, 1});
  hooks.run("blocks.0.hook_resid_pre", stream, 0);
  hooks.run("blocks.0.attn.hook_pattern", pattern, 0);
  hooks.run("blocks.0.attn.q_norm.hook_scale", flattened, 0);
  const at::Tensor wanted = at::tensor({0, 4}, at::kLong);
  EXPECT_TRUE(cache["blocks.0.hook_resid_pre"].equal(stream.index_select(1, wanted)));
  EXPECT_TRUE(cache["blocks.0.attn.hook_pattern"].equal(pattern.index_select(2, wanted)));
  EXPECT_TRUE(cache["blocks.0.attn.q_norm.hook_scale"].equal(flattened));
  ActivationCache beyond(options_with([](CacheOptions& options) { options.positions = {{5}}; }));
  Hooks others(kNames);
  beyond.attach(others);
  EXPECT_EQ(code_of([&] { others.run("blocks.0.hook_resid_pre", stream, 0); }),
            ErrorCode::kInvalidArgument);
}

TEST(ActivationCache, ConvertsOnTheWayInAndPassesTheOriginalOn) {
  Hooks hooks(kNames);
  ActivationCache cache(options_with([](CacheOptions& options) {
    options.names = {"*resid_pre"};
    options.dtype = at::kBFloat16;
    options.device = at::Device(at::kCPU);
  }));
  cache.attach(hooks);
  const at::Tensor x = at::randn({1, 2, 4});
  EXPECT_TRUE(hooks.run("blocks.0.hook_resid_pre", x, 0).is_same(x));
  EXPECT_EQ(cache["blocks.0.hook_resid_pre"].scalar_type(), at::kBFloat16);
  hooks.run("hook_embed", x, 0);
  EXPECT_FALSE(cache.contains("hook_embed"));
}

TEST(ActivationCache, NamesTheNearestOfWhatItHolds) {
  Hooks hooks(kNames);
  ActivationCache cache;
  cache.attach(hooks);
  hooks.run("hook_embed", at::zeros({1}), 0);
  try {
    cache["hook_embd"];
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("hook_embed"), std::string::npos);
  }
}

TEST(ActivationCache, GivesGradientsOfAMetric) {
  Hooks hooks(kNames);
  ActivationCache cache(options_with([](CacheOptions& options) { options.gradients = true; }));
  cache.attach(hooks);
  const at::Tensor x = hooks.run("hook_embed", at::full({1, 1, 2}, 3.0), 0);
  const at::Tensor y = hooks.run("blocks.0.hook_resid_pre", x * x, 0);
  hooks.run("blocks.1.hook_resid_pre", x * 5, 0);
  const auto gradients = cache.gradients(y.sum());
  EXPECT_TRUE(gradients.at("hook_embed").equal(at::full({1, 1, 2}, 6.0)));
  EXPECT_TRUE(gradients.at("blocks.0.hook_resid_pre").equal(at::ones({1, 1, 2})));
  EXPECT_FALSE(gradients.at("blocks.1.hook_resid_pre").defined());
  EXPECT_EQ(code_of([&] { cache.gradients(y); }), ErrorCode::kInvalidArgument);
}

TEST(ActivationCache, RefusesGradientsItDidNotKeep) {
  ActivationCache cache;
  EXPECT_EQ(code_of([&] { cache.gradients(at::zeros({})); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir
