#include <cmath>
#include <limits>

#include "isa_test.h"

namespace weir::kernels {
namespace {

class Rows : public IsaTest {
 protected:
  /// Attention of one query head, in double precision.
  std::vector<double> attention(const DecodeTask& t, int64_t head) {
    std::vector<double> out(t.d_head, 0);
    double total = 0;
    for (int64_t key = t.first_key; key < t.n_keys; ++key) {
      double score = 0;
      for (int64_t i = 0; i < t.d_head; ++i) {
        score += static_cast<double>(t.query[head * t.d_head + i]) * t.keys[key * t.key_stride + i];
      }
      score *= t.scale;
      if (t.slopes != nullptr) score += t.slopes[head] * static_cast<double>(key - t.n_keys + 1);
      if (t.softcap > 0) score = t.softcap * std::tanh(score / t.softcap);
      const double weight = std::exp(score);
      total += weight;
      for (int64_t i = 0; i < t.d_head; ++i) out[i] += weight * t.values[key * t.value_stride + i];
    }
    for (double& value : out) value /= total;
    return out;
  }
};

TEST_P(Rows, DecodeAttentionMatchesDoublePrecision) {
  for (const int64_t d_head : {8, 16, 20, 64}) {
    for (const int64_t n_keys : {1, 9, 70}) {
      for (const float softcap : {0.0F, 2.0F}) {
        const int64_t key_stride = 3 * d_head + 1, value_stride = 2 * d_head;
        const std::vector<float> q = normal(3 * d_head), k = normal(n_keys * key_stride),
                                 v = normal(n_keys * value_stride), slopes = {0.5F, 0.25F, 0};
        std::vector<float> scores(3 * n_keys), out(3 * d_head);
        DecodeTask task{q.data(), 3, d_head, k.data(), v.data(), key_stride, value_stride};
        task.first_key = n_keys / 3;
        task.n_keys = n_keys;
        task.scale = 0.3F;
        task.softcap = softcap;
        task.slopes = n_keys == 9 ? slopes.data() : nullptr;
        task.scores = scores.data();
        task.out = out.data();
        table().decode_attention(task);
        for (int64_t h = 0; h < 3; ++h) {
          const std::vector<double> expected = attention(task, h);
          for (int64_t i = 0; i < d_head; ++i) {
            // Scores of size 3 in float32 move a weight by a few 1e-7 of itself.
            ASSERT_NEAR(out[h * d_head + i], expected[i], 3e-6) << d_head << " " << n_keys;
          }
        }
      }
    }
  }
}

TEST_P(Rows, SoftmaxMatchesDoublePrecisionAndIsZeroForABlindRow) {
  for (const int64_t n : {1, 7, 8, 16, 33, 200}) {
    std::vector<float> x = normal(n, 5), out(n);
    if (n > 3) x[2] = -std::numeric_limits<float>::infinity();
    table().softmax(x.data(), n, out.data());
    double sum = 0;
    for (const float value : x) sum += std::exp(static_cast<double>(value));
    for (int64_t i = 0; i < n; ++i) ASSERT_NEAR(out[i], std::exp(x[i]) / sum, 2e-6);
    const std::vector<float> blind(n, -std::numeric_limits<float>::infinity());
    table().softmax(blind.data(), n, out.data());
    EXPECT_EQ(out, std::vector<float>(n, 0));
  }
}

TEST_P(Rows, AttentionWeightsAreZeroOutsideTheVisibleKeys) {
  std::vector<float> scores = normal(30);
  const std::vector<float> raw = scores;
  table().attention_weights({scores.data(), 30, 4, 25, 0.5F, 0, 0.125F});
  double sum = 0;
  for (int i = 4; i < 25; ++i) sum += std::exp(0.5 * raw[i] + 0.125 * (i - 24));
  for (int i = 0; i < 30; ++i) {
    const bool visible = i >= 4 && i < 25;
    const double expected = visible ? std::exp(0.5 * raw[i] + 0.125 * (i - 24)) / sum : 0;
    ASSERT_NEAR(scores[i], expected, 1e-6) << i;
  }
}

TEST_P(Rows, RmsNormMatchesDoublePrecision) {
  for (const int64_t n : {1, 7, 64, 577}) {
    const std::vector<float> x = normal(n), gain = normal(n);
    std::vector<float> out(n);
    table().rms_norm(x.data(), n, gain.data(), 1, 1e-5F, out.data());
    double square = 0;
    for (const float value : x) square += static_cast<double>(value) * value;
    for (int64_t i = 0; i < n; ++i) {
      const double expected = x[i] / std::sqrt(square / n + 1e-5) * (1.0 + gain[i]);
      ASSERT_NEAR(out[i], expected, 1e-6 * std::max(1.0, std::abs(expected)));
    }
  }
}

TEST_P(Rows, GatedMatchesDoublePrecision) {
  const int64_t n = 1003;
  const std::vector<float> gate = normal(n, 8), up = normal(n);
  std::vector<float> silu(n), gelu(n);
  table().gated(gate.data(), up.data(), n, GateKind::kSilu, silu.data());
  table().gated(gate.data(), up.data(), n, GateKind::kGeluTanh, gelu.data());
  for (int64_t i = 0; i < n; ++i) {
    const double g = gate[i];
    const double expected_silu = g / (1 + std::exp(-g)) * up[i];
    const double inner = std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g);
    const double expected_gelu = 0.5 * g * (1 + std::tanh(inner)) * up[i];
    ASSERT_NEAR(silu[i], expected_silu, 1e-6 * std::max(1.0, std::abs(expected_silu)));
    ASSERT_NEAR(gelu[i], expected_gelu, 1e-6 * std::max(1.0, std::abs(expected_gelu)));
  }
  std::vector<float> alone(n);
  table().gated(gate.data(), nullptr, n, GateKind::kSilu, alone.data());
  for (int64_t i = 0; i < n; ++i) ASSERT_NEAR(alone[i] * up[i], silu[i], 1e-6 * std::abs(silu[i]));
}

TEST_P(Rows, RotateHalfTurnsPairs) {
  for (const int64_t n : {2, 16, 22, 64}) {
    const std::vector<float> x = normal(n), angle = normal(n / 2);
    std::vector<float> cos(n / 2), sin(n / 2), turned = x;
    for (int64_t i = 0; i < n / 2; ++i) {
      cos[i] = std::cos(angle[i]);
      sin[i] = std::sin(angle[i]);
    }
    table().rotate_half(turned.data(), n, cos.data(), sin.data());
    for (int64_t i = 0; i < n / 2; ++i) {
      EXPECT_NEAR(turned[i], x[i] * cos[i] - x[n / 2 + i] * sin[i], 1e-6);
      EXPECT_NEAR(turned[n / 2 + i], x[n / 2 + i] * cos[i] + x[i] * sin[i], 1e-6);
    }
  }
}

TEST_P(Rows, AdamMatchesDoublePrecision) {
  for (const int64_t n : {1, 15, 16, 37}) {
    std::vector<float> p = normal(n), g = normal(n), m = normal(n), v(n, 0.5F), most(n, 0.6F);
    const std::vector<float> p0 = p, m0 = m;
    AdamTask task{p.data(), g.data(), m.data(), v.data(), most.data(), n};
    task.sign = -1;
    task.shrink = 0.9F;
    task.pull = 0.1F;
    task.mean_kept = 0.75F;
    task.mean_taken = 0.25F;
    task.square_kept = 0.5F;
    task.square_taken = 0.5F;
    task.step = 0.01F;
    task.root_factor = 2;
    task.eps = 1e-3F;
    table().adam(task);
    for (int64_t i = 0; i < n; ++i) {
      const double d = 0.1 * p0[i] - g[i];
      const double mean = 0.75 * m0[i] + 0.25 * d, square = 0.25 + 0.5 * d * d;
      ASSERT_NEAR(m[i], mean, 1e-6);
      ASSERT_NEAR(v[i], square, 1e-6);
      const double largest = std::max(square, 0.6);
      ASSERT_NEAR(most[i], largest, 1e-6);
      ASSERT_NEAR(p[i], 0.9 * p0[i] - 0.01 * mean / (std::sqrt(largest) * 2 + 1e-3), 1e-6);
    }
    double product = 0;
    for (int64_t i = 0; i < n; ++i) product += static_cast<double>(p0[i]) * g[i];
    ASSERT_NEAR(table().dot(p0.data(), g.data(), n), product, 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Rows, testing::ValuesIn(available()), isa_name);

}  // namespace
}  // namespace weir::kernels
