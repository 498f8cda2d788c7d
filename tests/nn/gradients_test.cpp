// Operations whose gradients are written by hand, in float32, against the same operations composed
// of ATen's in float64 (where the public functions take that way). Float32 sums of a few hundred
// terms are off by some 1e-6 of the largest result; a wrong formula is off by its whole size.
#include <functional>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/support/max_difference.h"
#include "weir/nn/activation.h"
#include "weir/nn/attention.h"
#include "weir/nn/norm.h"
#include "weir/nn/rotary.h"

namespace weir {
namespace {

using Tensors = std::vector<at::Tensor>;
using Function = std::function<at::Tensor(const Tensors&)>;
constexpr double kTolerance = 1e-5;

double relative(const at::Tensor& a, const at::Tensor& b) {
  return max_difference(a, b) / std::max(b.abs().max().item<double>(), 1e-3);
}

Tensors leaves(const Tensors& inputs, at::ScalarType type) {
  Tensors made;
  for (const at::Tensor& input : inputs) {
    made.push_back(input.detach().to(type).clone().requires_grad_(true));
  }
  return made;
}

// Value, gradients, and gradients of the gradients' squares.
Tensors differentiated(const Function& function, const Tensors& inputs, at::ScalarType type) {
  const Tensors x = leaves(inputs, type);
  const at::Tensor y = function(x);
  at::manual_seed(1);
  const at::Tensor direction = at::randn(y.sizes(), at::kDouble).to(type);
  Tensors results = {y.detach()};
  const Tensors first = torch::autograd::grad({y}, x, {direction}, /*retain_graph=*/true);
  results.insert(results.end(), first.begin(), first.end());
  const Tensors again =
      torch::autograd::grad({y}, x, {direction}, /*retain_graph=*/true, /*create_graph=*/true);
  at::Tensor squares = at::zeros({}, y.options());
  for (const at::Tensor& gradient : again) squares = squares + gradient.square().sum();
  const Tensors second =
      torch::autograd::grad({squares}, x, {}, /*retain_graph=*/false, /*create_graph=*/false,
                            /*allow_unused=*/true);  // Of an addend there is none.
  for (size_t i = 0; i < x.size(); ++i) {
    results.push_back(second[i].defined() ? second[i] : at::zeros_like(x[i]));
  }
  return results;
}

void expect_same(const Function& function, const Tensors& inputs, const std::string& what) {
  const Tensors single = differentiated(function, inputs, at::kFloat);
  const Tensors exact = differentiated(function, inputs, at::kDouble);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_LT(relative(single[i], exact[i]), kTolerance) << what << ", result " << i;
  }
}

void expect_same_attention(const std::string& what, ScoreOptions options, const AttentionMask& mask,
                           int64_t n_queries, int64_t n_keys) {
  at::manual_seed(2);
  options.scale = 0.4;
  const Tensors qkv = {at::randn({2, n_queries, 6, 8}), at::randn({2, n_keys, 2, 8}),
                       at::randn({2, n_keys, 2, 8})};
  const auto function = [&](const Tensors& x) {
    return attention_values(x[0], x[1], x[2], options, mask);
  };
  expect_same(function, qkv, what);
}

TEST(HandGradients, OfAttention) {
  expect_same_attention("causal", {}, {}, 150, 150);
  expect_same_attention("few queries", {}, {3, 0, {}, {}}, 2, 5);
  expect_same_attention("later queries", {}, {60, 0, {}, {}}, 70, 130);
  expect_same_attention("window", {}, {0, 9, {}, {}}, 150, 150);
  ScoreOptions capped;
  capped.softcap = 1.5;
  expect_same_attention("soft cap", capped, {0, 70, {}, {}}, 150, 150);
  ScoreOptions sloped;
  sloped.slopes = alibi_slopes(6);
  expect_same_attention("ALiBi", sloped, {}, 150, 150);
  capped.slopes = sloped.slopes;
  expect_same_attention("ALiBi and soft cap", capped, {}, 70, 70);
}

TEST(HandGradients, OfAttentionWithPadsAndDocuments) {
  AttentionMask padded;
  padded.real_keys = at::ones({2, 150}, at::kBool);
  padded.real_keys.select(0, 1).slice(0, 0, 90).fill_(false);
  expect_same_attention("left pads", {}, padded, 150, 150);
  AttentionMask packed;
  packed.segments = at::arange(150).div(40, "floor").expand({2, 150}).to(at::kLong);
  expect_same_attention("documents", {}, packed, 150, 150);
  packed.window = 7;
  packed.real_keys = padded.real_keys;
  expect_same_attention("documents, a window and pads", {}, packed, 150, 150);
}

TEST(HandGradients, OfNorms) {
  at::manual_seed(3);
  const Tensors inputs = {at::randn({5, 37, 40}) * 2 + 1, at::randn({40})};
  for (const double offset : {0.0, 1.0}) {
    expect_same(
        [&](const Tensors& x) { return norm(x[0], NormKind::kRmsNorm, 1e-3, x[1], {}, offset); },
        inputs, "RMS norm");
  }
  expect_same([](const Tensors& x) { return norm(x[0], NormKind::kRmsNorm, 1e-3, {}, {}, 0); },
              {inputs[0]}, "RMS norm without a gain");
  expect_same(
      [](const Tensors& x) { return norm(x[0], NormKind::kLayerNorm, 1e-3, x[1], x[2], 0); },
      {inputs[0], inputs[1], at::randn({40})}, "LayerNorm");
}

TEST(HandGradients, OfActivations) {
  at::manual_seed(4);
  const Tensors inputs = {at::randn({7, 101}) * 3, at::randn({7, 101})};
  for (const Activation kind : {Activation::kRelu, Activation::kGeluExact, Activation::kGeluTanh,
                                Activation::kQuickGelu, Activation::kSilu}) {
    const std::string what = "activation " + std::to_string(static_cast<int>(kind));
    expect_same([&](const Tensors& x) { return gated(x[0], x[1], kind); }, inputs, what);
    if (kind == Activation::kRelu) continue;  // Its second derivative is zero: nothing to ask for.
    expect_same([&](const Tensors& x) { return activate(x[0], kind); }, {inputs[0]}, what);
  }
}

TEST(HandGradients, OfRotation) {
  at::manual_seed(5);
  RotaryConfig config;
  config.n_dims = 12;
  const RotaryTables tables = rotary_tables(config, at::arange(9, at::kLong), 9);
  const auto squared = [&](const Tensors& x) {
    const RotaryTables typed{tables.cos.to(x[0].scalar_type()), tables.sin.to(x[0].scalar_type())};
    return rotate(x[0].square(), typed, config);
  };
  expect_same(squared, {at::randn({2, 9, 3, 16})}, "rotation");
}

TEST(HandGradients, ReachOnlyWhatWantsThem) {
  const at::Tensor q = at::randn({1, 9, 2, 4}), k = at::randn({1, 9, 2, 4});
  const at::Tensor v = at::randn({1, 9, 2, 4}).requires_grad_(true);
  attention_values(q, k, v, {}, {}).sum().backward();
  EXPECT_FALSE(q.grad().defined());
  // Every query spreads a weight of one over the values.
  EXPECT_NEAR(v.grad().sum().item<double>(), 9 * 2 * 4, 1e-3);
}

// A query that sees no key: softmax over nothing but -inf has no gradient that is a number.
TEST(HandGradients, OfScoresOfABlindQueryAreZero) {
  at::Tensor scores = at::randn({1, 2, 3, 3});
  scores.select(2, 1).fill_(-std::numeric_limits<float>::infinity());
  scores.requires_grad_(true);
  const at::Tensor pattern = attention_pattern(scores);
  (pattern * at::randn({1, 2, 3, 3})).sum().backward();
  EXPECT_TRUE(scores.grad().isfinite().all().item<bool>());
  EXPECT_EQ(scores.grad().select(2, 1).abs().max().item<double>(), 0);
  EXPECT_EQ(pattern.select(2, 1).abs().max().item<double>(), 0);
  EXPECT_GT(scores.grad().abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace weir
