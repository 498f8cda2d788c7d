// Activations, norms, attention and the KV cache against their formulas written out in float64.
#include <cmath>
#include <functional>
#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/max_difference.h"
#include "weir/base/error.h"
#include "weir/nn/activation.h"
#include "weir/nn/attention.h"
#include "weir/nn/kv_cache.h"
#include "weir/nn/norm.h"

namespace weir {
namespace {

TEST(Activation, FollowsItsFormulaUnderEveryName) {
  const double root = std::sqrt(2 / std::acos(-1.0));
  const auto tanh_form = [root](double x) {
    return 0.5 * x * (1 + std::tanh(root * (x + 0.044715 * x * x * x)));
  };
  const std::pair<const char*, std::function<double(double)>> formulas[] = {
      {"relu", [](double x) { return std::max(x, 0.0); }},
      {"gelu", [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
      {"gelu_new", tanh_form},
      {"gelu_fast", tanh_form},
      {"gelu_pytorch_tanh", tanh_form},
      {"quick_gelu", [](double x) { return x / (1 + std::exp(-1.702 * x)); }},
      {"silu", [](double x) { return x / (1 + std::exp(-x)); }},
      {"swish", [](double x) { return x / (1 + std::exp(-x)); }}};
  for (const auto& [name, formula] : formulas) {
    for (double x = -6; x <= 6; x += 0.37) {
      const at::Tensor y = activate(at::full({1}, x, at::kDouble), parse_activation(name));
      EXPECT_NEAR(y.item<double>(), formula(x), 1e-12) << name << " at " << x;
    }
  }
}

TEST(Activation, ListsTheKnownForAnUnknownName) {
  try {
    parse_activation("mish");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("gelu_new"), std::string::npos);
  }
}

TEST(Norm, IsItsTwoHalvesAndItsFormula) {
  const at::Tensor x = at::randn({3, 5, 8}, at::kDouble) * 3 + 1;
  const at::Tensor w = at::randn({8}, at::kDouble), b = at::randn({8}, at::kDouble);
  for (const NormKind kind : {NormKind::kLayerNorm, NormKind::kRmsNorm}) {
    for (const double offset : {0.0, 1.0}) {
      const at::Tensor whole = norm(x, kind, 1e-3, w, b, offset);
      const at::Tensor scale = norm_scale(x, kind, 1e-3);
      EXPECT_LT(max_difference(norm_gain(norm_divide(x, scale, kind), w, b, offset), whole), 1e-12);
      const at::Tensor centred = kind == NormKind::kLayerNorm ? x - x.mean(-1, true) : x;
      const at::Tensor formula =
          centred / (centred.square().mean(-1, true) + 1e-3).sqrt() * (w + offset) + b;
      EXPECT_LT(max_difference(formula, whole), 1e-12);
    }
  }
}

TEST(Norm, OfHalfTypesNeitherOverflowsNorLosesItsSum) {
  const at::Tensor x = at::randn({4, 512}) * 3000;  // Squares exceed float16's 65504.
  const at::Tensor exact = norm(x, NormKind::kRmsNorm, 1e-6, {}, {}, 0);
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    const at::Tensor y = norm(x.to(dtype), NormKind::kRmsNorm, 1e-6, {}, {}, 0);
    EXPECT_EQ(y.scalar_type(), dtype);
    // Rounding in and out, twice half a unit of 8 bits, on values up to about 4.
    EXPECT_LT(max_difference(y, exact), 0.04);
    EXPECT_TRUE(norm_scale(x.to(dtype), NormKind::kRmsNorm, 1e-6).isfinite().all().item<bool>());
  }
}

// Attention by three loops. Pads, window, soft cap and ALiBi as their definitions say.
at::Tensor naive_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const ScoreOptions& options, const AttentionMask& mask) {
  const int64_t n_rows = q.size(0), n_queries = q.size(1), n_heads = q.size(2), n_keys = k.size(1);
  const int64_t group = n_heads / k.size(2);
  at::Tensor z = at::zeros_like(q);
  for (int64_t b = 0; b < n_rows; ++b) {
    for (int64_t h = 0; h < n_heads; ++h) {
      for (int64_t t = 0; t < n_queries; ++t) {
        const int64_t at_position = mask.first_query + t;
        at::Tensor sum = at::zeros({v.size(3)}, q.options());
        double total = 0;
        for (int64_t s = 0; s < n_keys; ++s) {
          if (s > at_position || (mask.window > 0 && s <= at_position - mask.window)) continue;
          if (mask.real_keys.defined() && !mask.real_keys[b][s].item<bool>()) continue;
          double score = (q[b][t][h] * k[b][s][h / group]).sum().item<double>() * options.scale;
          if (options.slopes.defined()) {
            score += options.slopes[h].item<double>() * static_cast<double>(s - at_position);
          }
          if (options.softcap > 0) score = options.softcap * std::tanh(score / options.softcap);
          total += std::exp(score);
          sum = sum + std::exp(score) * v[b][s][h / group];
        }
        if (total > 0) z[b][t][h].copy_(sum / total);
      }
    }
  }
  return z;
}

void expect_naive(const ScoreOptions& options, const AttentionMask& mask, int64_t n_queries,
                  int64_t n_keys) {
  const at::Tensor q = at::randn({2, n_queries, 6, 4}, at::kDouble);
  const at::Tensor k = at::randn({2, n_keys, 2, 4}, at::kDouble);
  const at::Tensor v = at::randn({2, n_keys, 2, 4}, at::kDouble);
  const at::Tensor pattern = attention_pattern(attention_scores(q, k, options, mask));
  EXPECT_LT(max_difference(attention_mix(pattern, v), naive_attention(q, k, v, options, mask)),
            1e-10);
}

TEST(Attention, IsTheSumOverVisibleKeys) {
  ScoreOptions options;
  options.scale = 0.7;
  expect_naive(options, {}, 7, 7);
  AttentionMask windowed;
  windowed.window = 3;
  expect_naive(options, windowed, 7, 7);
  AttentionMask later;
  later.first_query = 5;
  later.window = 4;
  expect_naive(options, later, 3, 8);
  options.softcap = 1.5;
  expect_naive(options, later, 3, 8);
}

TEST(Attention, AddsSlopesAndSkipsPads) {
  ScoreOptions options;
  options.slopes = alibi_slopes(6).to(at::kDouble);
  AttentionMask padded;
  padded.real_keys = at::ones({2, 7}, at::kBool);
  padded.real_keys.select(0, 1).slice(0, 0, 3).fill_(false);
  expect_naive(options, padded, 7, 7);
}

TEST(Attention, SlopesReachFarInBFloat16) {
  ScoreOptions options;
  options.slopes = at::tensor({0.5f});
  AttentionMask last;
  last.first_query = 1000;
  const at::Tensor q = at::zeros({1, 1, 1, 4}, at::kBFloat16);
  const at::Tensor k = at::zeros({1, 1001, 1, 4}, at::kBFloat16);
  const at::Tensor scores = attention_scores(q, k, options, last).to(at::kFloat);
  const at::Tensor exact = (at::arange(1001, at::kFloat) - 1000) * 0.5;
  EXPECT_LT(max_difference(scores.view({-1}), exact), 500.0 / 256);  // Half a unit of 8 bits.
}

TEST(Attention, AQueryThatSeesNothingGetsZeros) {
  AttentionMask padded;
  padded.real_keys = at::zeros({1, 4}, at::kBool);
  const at::Tensor q = at::randn({1, 4, 2, 3}), k = at::randn({1, 4, 2, 3});
  const at::Tensor pattern = attention_pattern(attention_scores(q, k, {}, padded));
  EXPECT_EQ(pattern.abs().max().item<float>(), 0);
}

// The reference's list for 8 and 12 heads (powers of two, then every second one of the next).
TEST(Attention, AlibiSlopesFollowThePaper) {
  const at::Tensor eight = alibi_slopes(8), twelve = alibi_slopes(12);
  for (int i = 0; i < 8; ++i) {
    EXPECT_FLOAT_EQ(eight[i].item<float>(), std::exp2(-(i + 1.0f)));
    EXPECT_FLOAT_EQ(twelve[i].item<float>(), std::exp2(-(i + 1.0f)));
  }
  for (int i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(twelve[8 + i].item<float>(), std::exp2(-(i + 0.5f)));
  }
}

TEST(KvCache, GrowsAndKeepsWhatItHas) {
  KvCache cache(2);
  std::vector<at::Tensor> keys;
  for (int64_t step = 0; step < 150; step += 3) {
    const at::Tensor k = at::randn({2, 3, 1, 4}), v = at::randn({2, 3, 1, 4});
    keys.push_back(k);
    for (const int64_t layer : {0, 1}) {
      const auto [all_k, all_v] = cache.append(layer, k, v);
      EXPECT_TRUE(all_k.equal(at::cat(keys, 1)));
      EXPECT_EQ(all_v.size(1), step + 3);
    }
    cache.advance(3);
  }
  EXPECT_EQ(cache.length(), 150);
}

TEST(KvCache, SelectsRowsAndForgetsTheEnd) {
  KvCache cache(1);
  const at::Tensor k = at::randn({3, 4, 1, 2});
  cache.append(0, k, k);
  cache.advance(4);
  KvCache picked = cache.select(at::tensor({2, 0}));
  picked.truncate(2);
  const at::Tensor next = at::randn({2, 1, 1, 2});
  const at::Tensor expected =
      at::cat({k.index_select(0, at::tensor({2, 0})).slice(1, 0, 2), next}, 1);
  EXPECT_TRUE(picked.append(0, next, next).first.equal(expected));
  EXPECT_EQ(cache.length(), 4);  // The original is as it was.
  EXPECT_THROW(picked.truncate(9), Error);
  EXPECT_THROW(cache.append(0, next, next), Error);  // Two rows onto three.
}

TEST(KvCache, ContinuesItsRowsManyTimesOver) {
  KvCache cache(1);
  const at::Tensor k = at::randn({2, 4, 1, 3}), v = at::randn({2, 4, 1, 3});
  cache.append(0, k, v);
  cache.advance(4);
  KvCache continued = cache.continued(3, 5);
  EXPECT_EQ(continued.length(), 3);
  const at::Tensor next = at::randn({10, 2, 1, 3});
  const auto [all_k, all_v] = continued.append(0, next, next + 1);
  for (int64_t row = 0; row < 10; ++row) {
    EXPECT_TRUE(all_k[row].equal(at::cat({k[row % 2].slice(0, 0, 3), next[row]})));
    EXPECT_TRUE(all_v[row].equal(at::cat({v[row % 2].slice(0, 0, 3), next[row] + 1})));
  }
  EXPECT_THROW(continued.append(0, k, v), Error);  // Two rows onto ten.
  EXPECT_THROW(cache.continued(5, 1), Error);
}

}  // namespace
}  // namespace weir
