#include "weir/sae/dashboard/latent_facts.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "tests/sae/dashboard/made_latents.h"

namespace weir {
namespace {

using testing::MadeLatents;

// float32 activations, sums of some hundred in float64.
constexpr double kTolerance = 1e-6;

LatentFacts facts_of(const MadeLatents& made, int64_t latent, const FactOptions& options = {}) {
  FactFinder finder(made.events, options);
  // Twice: what a call leaves behind must not change the next.
  const LatentRange range(made.events, latent / 4 * 4, std::min<int64_t>(4, 7 - latent / 4 * 4));
  finder.find(range, latent);
  return finder.find(range, latent);
}

TEST(LatentRange, HoldsEveryFiringByLatent) {
  const MadeLatents made;
  for (int64_t first = 0; first < MadeLatents::kLatents; first += 4) {
    const int64_t n = std::min<int64_t>(4, MadeLatents::kLatents - first);
    const LatentRange range(made.events, first, n);
    for (int64_t i = 0; i < n; ++i) {
      const at::Tensor column = made.latents.select(1, first + i);
      const at::Tensor rows = column.nonzero().squeeze(1);
      ASSERT_EQ(range.begin[i + 1] - range.begin[i], rows.size(0));
      for (int64_t k = 0; k < rows.size(0); ++k) {
        const int64_t row = rows[k].item<int64_t>();
        EXPECT_EQ(range.rows[range.begin[i] + k], row);
        EXPECT_EQ(range.values[range.begin[i] + k], column[row].item<float>());
      }
    }
  }
}

TEST(LatentFacts, AreThoseOfTheDenseLatents) {
  const MadeLatents made;
  for (int64_t latent = 0; latent < MadeLatents::kLatents; ++latent) {
    const at::Tensor column = made.latents.select(1, latent);
    const auto n = column.count_nonzero().item<int64_t>();
    const LatentFacts facts = facts_of(made, latent);
    EXPECT_EQ(facts.n_fired, n);
    EXPECT_NEAR(facts.density, n / static_cast<double>(column.size(0)), kTolerance);
    if (n == 0) {
      EXPECT_TRUE(facts.top.empty() && facts.tokens.empty());
      EXPECT_TRUE(std::isnan(facts.token_entropy));
      continue;
    }
    EXPECT_NEAR(facts.largest, column.max().item<double>(), kTolerance);
    EXPECT_NEAR(facts.mean, column.sum().item<double>() / n, kTolerance);
    double counted = 0;
    for (const double count : facts.bin_counts) counted += count;
    EXPECT_EQ(counted, n);
    double share = 0;
    for (const ExampleInterval& interval : facts.intervals) share += interval.share;
    EXPECT_NEAR(share, 1, kTolerance);
  }
}

TEST(LatentFacts, ExamplesShowTheirContextsAsTheyAre) {
  const MadeLatents made;
  FactOptions options;
  options.n_top = 8;
  options.before = 4;
  options.after = 3;
  for (int64_t latent = 0; latent < MadeLatents::kLatents - 1; ++latent) {
    const LatentFacts facts = facts_of(made, latent, options);
    std::set<int64_t> contexts;
    double before = INFINITY;
    std::vector<LatentExample> all = facts.top;
    for (const LatentExample& example : facts.top) {
      EXPECT_LE(example.value, before);
      before = example.value;
      EXPECT_TRUE(contexts.insert(example.context).second);
    }
    for (const ExampleInterval& interval : facts.intervals) {
      for (const LatentExample& example : interval.examples) {
        EXPECT_GE(example.value, interval.low - kTolerance);
        EXPECT_LE(example.value, interval.high + kTolerance);
        EXPECT_TRUE(contexts.insert(example.context).second);
        all.push_back(example);
      }
    }
    for (const LatentExample& example : all) {
      EXPECT_EQ(example.first, std::max<int64_t>(0, example.position - 4));
      EXPECT_EQ(static_cast<int64_t>(example.tokens.size()),
                std::min<int64_t>(11, example.position + 3) - example.first + 1);
      for (size_t i = 0; i < example.tokens.size(); ++i) {
        const int64_t at = example.first + static_cast<int64_t>(i);
        EXPECT_EQ(example.tokens[i], made.tokens[example.context][at].item<int64_t>());
        const at::Tensor row =
            (made.contexts == example.context).logical_and(made.positions == at).nonzero();
        const float expected =
            row.numel() == 0 ? 0 : made.latents[row.item<int64_t>()][latent].item<float>();
        EXPECT_EQ(example.values[i], expected);
      }
    }
  }
}

// By its definition: every row against all others with the same last tokens.
double naive_lookup(const MadeLatents& made, int64_t latent, int64_t length) {
  const int64_t n = made.latents.size(0);
  const auto a = made.latents.select(1, latent).to(at::kDouble).contiguous();
  const auto* const value = a.data_ptr<double>();
  const auto run = [&](int64_t row) {
    std::vector<int64_t> tokens;
    for (int64_t k = 0; k < length; ++k) {
      const int64_t at = made.positions[row].item<int64_t>() - k;
      tokens.push_back(at < 0 ? -1 : made.tokens[made.contexts[row]][at].item<int64_t>());
    }
    return tokens;
  };
  std::vector<std::vector<int64_t>> runs;
  for (int64_t row = 0; row < n; ++row) runs.push_back(run(row));
  double error = 0;
  for (int64_t row = 0; row < n; ++row) {
    double sum = 0;
    int64_t others = 0;
    for (int64_t k = 0; k < n; ++k) {
      if (k == row || runs[k] != runs[row]) continue;
      sum += value[k];
      ++others;
    }
    const double told = others == 0 ? 0 : sum / others;
    error += (value[row] - told) * (value[row] - told);
  }
  const double variance = (a - a.mean()).square().sum().item<double>();
  return 1 - error / variance;
}

TEST(LatentFacts, LookupScoresAreThoseOfTheirDefinition) {
  const MadeLatents made;
  for (int64_t latent = 0; latent < MadeLatents::kLatents - 1; ++latent) {
    const LatentFacts facts = facts_of(made, latent);
    for (int64_t length = 1; length <= 3; ++length) {
      EXPECT_NEAR(facts.lookup[length - 1], naive_lookup(made, latent, length), kTolerance)
          << latent << " " << length;
    }
  }
  EXPECT_NEAR(facts_of(made, 0).lookup[0], 1, kTolerance);  // A function of the token,
  EXPECT_NEAR(facts_of(made, 0).selectivity, 1, kTolerance);
  EXPECT_LT(facts_of(made, 1).lookup[0], 0.5);  // of the last two,
  EXPECT_NEAR(facts_of(made, 1).lookup[1], 1, kTolerance);
  EXPECT_LT(facts_of(made, 2).lookup[0], 0.2);  // of chance.
}

TEST(LatentFacts, CountsLatentsThatFireTogether) {
  const MadeLatents made;
  const at::Tensor fires = (made.latents != 0).to(at::kDouble);
  const at::Tensor both = fires.t().matmul(fires);
  for (int64_t latent = 0; latent < MadeLatents::kLatents - 1; ++latent) {
    for (const auto& [other, score] : facts_of(made, latent).together) {
      EXPECT_NE(other, latent);
      const double expected =
          both[latent][other].item<double>() /
          std::sqrt(both[latent][latent].item<double>() * both[other][other].item<double>());
      EXPECT_NEAR(score, expected, kTolerance);
    }
  }
}

}  // namespace
}  // namespace weir
