// Rotary embedding against its definition: a rotation of pairs by position times frequency.
#include "weir/nn/rotary.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

RotaryConfig plain(int64_t n_dims = 8) {
  RotaryConfig config;
  config.n_dims = n_dims;
  config.original_context = 32;
  return config;
}

at::Tensor positions(int64_t count) { return at::arange(count, at::kLong); }

at::Tensor turned(const at::Tensor& x, const RotaryConfig& config) {
  return rotate(x, rotary_tables(config, positions(x.size(1)), x.size(1)), config);
}

TEST(Rotary, FrequenciesFallGeometrically) {
  const auto frequencies = rotary_frequencies(plain(), 4);
  ASSERT_EQ(frequencies.size(), 4U);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(frequencies[i], std::pow(10000.0, -i / 4.0), 1e-12);
}

TEST(Rotary, TurnsEachPairByItsAngle) {
  for (const bool adjacent : {false, true}) {
    RotaryConfig config = plain(4);
    config.adjacent = adjacent;
    const at::Tensor x = at::randn({1, 6, 1, 7});
    const at::Tensor y = turned(x, config);
    const auto frequencies = rotary_frequencies(config, 6);
    for (int64_t t = 0; t < 6; ++t) {
      for (int64_t i = 0; i < 2; ++i) {
        const int64_t a = adjacent ? 2 * i : i, b = adjacent ? 2 * i + 1 : i + 2;
        const double angle = static_cast<double>(t) * frequencies[i];
        const double xa = x[0][t][0][a].item<double>(), xb = x[0][t][0][b].item<double>();
        EXPECT_NEAR(y[0][t][0][a].item<double>(), xa * std::cos(angle) - xb * std::sin(angle),
                    1e-5);
        EXPECT_NEAR(y[0][t][0][b].item<double>(), xb * std::cos(angle) + xa * std::sin(angle),
                    1e-5);
      }
    }
    EXPECT_TRUE(y.slice(-1, 4).equal(x.slice(-1, 4)));  // The rest passes.
    EXPECT_TRUE(y.select(1, 0).equal(x.select(1, 0)));  // Position 0 does not turn.
  }
}

TEST(Rotary, ScoresDependOnDistanceAlone) {
  const at::Tensor q = at::randn({1, 1, 1, 8}).expand({1, 20, 1, 8});
  const at::Tensor k = at::randn({1, 1, 1, 8}).expand({1, 20, 1, 8});
  const at::Tensor tq = turned(q, plain())[0].squeeze(1), tk = turned(k, plain())[0].squeeze(1);
  const at::Tensor scores = at::mm(tq, tk.t());
  for (int64_t t = 1; t < 20; ++t) {
    EXPECT_NEAR(scores[t][t - 1].item<double>(), scores[1][0].item<double>(), 1e-5);
  }
}

TEST(RotaryScaling, LinearStretchesEveryWavelength) {
  RotaryConfig config = plain();
  config.scaling = "linear";
  config.factor = 4;
  const auto base = rotary_frequencies(plain(), 4), scaled = rotary_frequencies(config, 4);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(scaled[i] * 4, base[i], 1e-12);
}

TEST(RotaryScaling, DynamicActsOnlyPastTheTrainedContext) {
  RotaryConfig config = plain();
  config.scaling = "dynamic";
  config.factor = 2;
  EXPECT_EQ(rotary_frequencies(config, 32), rotary_frequencies(plain(), 32));
  const auto longer = rotary_frequencies(config, 64);
  EXPECT_NEAR(longer[0], 1, 1e-12);
  // theta * (2 * 64 / 32 - 1)^(8 / 6)
  EXPECT_NEAR(longer[3], std::pow(10000 * std::pow(3.0, 8.0 / 6), -0.75), 1e-12);
  EXPECT_TRUE(config.same_frequencies(5, 32));
  EXPECT_FALSE(config.same_frequencies(32, 33));
  EXPECT_FALSE(config.same_frequencies(40, 41));
}

TEST(RotaryScaling, LongropeSwitchesItsFactorsAtTheOriginalContext) {
  RotaryConfig config = plain();
  config.scaling = "longrope";
  config.factor = 4;
  config.short_factor = {1, 1, 2, 2};
  config.long_factor = {1, 3, 5, 7};
  const auto base = rotary_frequencies(plain(), 1);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(rotary_frequencies(config, 32)[i], base[i] / config.short_factor[i], 1e-12);
    EXPECT_NEAR(rotary_frequencies(config, 33)[i], base[i] / config.long_factor[i], 1e-12);
  }
  EXPECT_FALSE(config.same_frequencies(32, 33));
  EXPECT_TRUE(config.same_frequencies(33, 90));
  const double attention_factor = std::sqrt(1 + std::log(4.0) / std::log(32.0));
  const RotaryTables tables = rotary_tables(config, positions(1), 1);
  EXPECT_NEAR(tables.cos[0][0].item<double>(), attention_factor, 1e-6);
}

TEST(RotaryScaling, Llama3KeepsShortWavelengthsAndStretchesLongOnes) {
  RotaryConfig config = plain(64);
  config.theta = 500000;
  config.scaling = "llama3";
  config.factor = 8;
  config.original_context = 8192;
  RotaryConfig base_config = plain(64);
  base_config.theta = 500000;
  const auto base = rotary_frequencies(base_config, 1), scaled = rotary_frequencies(config, 1);
  for (size_t i = 0; i < base.size(); ++i) {
    const double wavelength = 2 * std::acos(-1.0) / base[i];
    if (wavelength < 8192 / 4.0) {
      EXPECT_EQ(scaled[i], base[i]);
    } else if (wavelength > 8192) {
      EXPECT_NEAR(scaled[i], base[i] / 8, 1e-15);
    } else {
      EXPECT_LE(scaled[i], base[i]);
      EXPECT_GE(scaled[i], base[i] / 8);
    }
  }
}

TEST(RotaryScaling, YarnTurnsFastPairsAsBeforeAndRaisesScores) {
  RotaryConfig config = plain(64);
  config.scaling = "yarn";
  config.factor = 16;
  config.original_context = 4096;
  const auto base = rotary_frequencies(plain(64), 1), scaled = rotary_frequencies(config, 1);
  EXPECT_EQ(scaled.front(), base.front());
  EXPECT_NEAR(scaled.back(), base.back() / 16, 1e-15);
  const RotaryTables tables = rotary_tables(config, positions(1), 1);
  EXPECT_NEAR(tables.cos[0][0].item<double>(), 0.1 * std::log(16.0) + 1, 1e-6);
}

}  // namespace
}  // namespace weir
