#include "weir/lm/sampler.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "weir/base/error.h"

namespace weir {
namespace {

// Probabilities 0.4, 0.3, 0.15, 0.1, 0.05 in a scrambled order.
const std::vector<double> kProbabilities = {0.1, 0.4, 0.05, 0.3, 0.15};

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p) + 1.5));
  return logits;
}

std::vector<Candidate> kept(const SamplingOptions& options, const std::vector<float>& logits,
                            const std::vector<int64_t>& seen = {}) {
  return Sampler(options).candidates(logits.data(), static_cast<int64_t>(logits.size()), seen);
}

std::set<int64_t> ids(const std::vector<Candidate>& candidates) {
  std::set<int64_t> result;
  for (const Candidate& c : candidates) result.insert(c.id);
  return result;
}

double probability(const std::vector<Candidate>& candidates, int64_t id) {
  for (const Candidate& c : candidates) {
    if (c.id == id) return c.probability;
  }
  return 0;
}

TEST(Sampler, KeepsEverythingByDefault) {
  const auto all = kept({}, logits_of(kProbabilities));
  for (int64_t id = 0; id < 5; ++id) {
    EXPECT_NEAR(probability(all, id), kProbabilities[id], 1e-6) << id;  // float32 logits
  }
}

TEST(Sampler, TopKKeepsTheKMostProbableAndTies) {
  SamplingOptions options;
  options.top_k = 2;
  const auto two = kept(options, logits_of(kProbabilities));
  EXPECT_EQ(ids(two), (std::set<int64_t>{1, 3}));
  EXPECT_NEAR(probability(two, 1), 4.0 / 7, 1e-6);
  EXPECT_EQ(ids(kept(options, {1, 0, 0, -1})), (std::set<int64_t>{0, 1, 2}));
  options.top_k = 100;
  EXPECT_EQ(kept(options, logits_of(kProbabilities)).size(), 5u);
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesP) {
  SamplingOptions options;
  const auto set_for = [&](double p) {
    options.top_p = p;
    return ids(kept(options, logits_of(kProbabilities)));
  };
  EXPECT_EQ(set_for(0.01), (std::set<int64_t>{1}));
  EXPECT_EQ(set_for(0.39), (std::set<int64_t>{1}));
  EXPECT_EQ(set_for(0.41), (std::set<int64_t>{1, 3}));
  EXPECT_EQ(set_for(0.69), (std::set<int64_t>{1, 3}));
  EXPECT_EQ(set_for(0.71), (std::set<int64_t>{1, 3, 4}));
  EXPECT_EQ(set_for(0.96), (std::set<int64_t>{0, 1, 2, 3, 4}));
}

TEST(Sampler, TopPSortsPastItsFirstPiece) {
  // 1000 almost equal tokens: 0.5 needs about 500 of them, far more than one sorted piece.
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 97) * 1e-4f;
  SamplingOptions options;
  options.top_p = 0.5;
  const auto half = kept(options, logits);
  EXPECT_NEAR(static_cast<double>(half.size()), 500, 3);
  double lowest = 1;
  for (const Candidate& c : half) lowest = std::min<double>(lowest, logits[c.id]);
  const std::set<int64_t> chosen = ids(half);
  for (int64_t id = 0; id < 1000; ++id) {
    if (logits[id] > lowest) {
      EXPECT_TRUE(chosen.count(id)) << id;
    }
  }
}

TEST(Sampler, MinPIsRelativeToTheMostProbable) {
  SamplingOptions options;
  options.min_p = 0.3;  // 0.3 x 0.4 = 0.12
  EXPECT_EQ(ids(kept(options, logits_of(kProbabilities))), (std::set<int64_t>{1, 3, 4}));
}

TEST(Sampler, MinPComesAfterTemperature) {
  SamplingOptions options;
  options.min_p = 0.3;
  options.temperature = 2;  // Ratios become square roots: sqrt(0.1 / 0.4) = 0.5, sqrt(1/8) = 0.35.
  EXPECT_EQ(kept(options, logits_of(kProbabilities)).size(), 5u);
  options.temperature = 0.5;  // Squares: (0.3 / 0.4)^2 = 0.56, (0.15 / 0.4)^2 = 0.14.
  EXPECT_EQ(ids(kept(options, logits_of(kProbabilities))), (std::set<int64_t>{1, 3}));
}

TEST(Sampler, TopPSeesWhatTopKLeftRenormalised) {
  SamplingOptions options;
  options.top_k = 2;    // 4/7 and 3/7
  options.top_p = 0.5;  // 4/7 reaches it; of the whole distribution 0.4 would not.
  EXPECT_EQ(ids(kept(options, logits_of(kProbabilities))), (std::set<int64_t>{1}));
}

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogitsOnce) {
  SamplingOptions options;
  options.repetition_penalty = 2;
  const std::vector<float> logits = {2, -1, 2, 0};
  const auto all = kept(options, logits, {0, 1, 0, 0});
  const std::vector<double> expected = {1, -2, 2, 0};
  double total = 0;
  for (const double x : expected) total += std::exp(x);
  for (int64_t id = 0; id < 4; ++id) {
    EXPECT_NEAR(probability(all, id), std::exp(expected[id]) / total, 1e-12) << id;
  }
  options.greedy = true;
  EXPECT_EQ(ids(kept(options, {2, 1.5f, 0}, {0})), (std::set<int64_t>{1}));
}

TEST(Sampler, TemperatureZeroIsGreedy) {
  SamplingOptions options;
  options.temperature = 0;
  const auto one = kept(options, logits_of(kProbabilities));
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].id, 1);
}

// Chi-square of 20000 draws over 5 tokens against the given distribution. Four degrees of freedom:
// a right sampler exceeds 23.5 once in 10000 seeds, and this seed is fixed.
double chi_square(const SamplingOptions& options, const std::vector<double>& probabilities,
                  bool by_row) {
  constexpr int kDraws = 20000;
  const Sampler sampler(options);
  const std::vector<float> logits = logits_of(kProbabilities);
  std::vector<int> counts(5, 0);
  for (int i = 0; i < kDraws; ++i) {
    ++counts[sampler.pick(logits.data(), 5, {}, by_row ? i : 3, by_row ? 7 : i)];
  }
  double sum = 0;
  for (size_t id = 0; id < 5; ++id) {
    const double expected = kDraws * probabilities[id];
    if (expected == 0) {
      EXPECT_EQ(counts[id], 0);
    } else {
      sum += (counts[id] - expected) * (counts[id] - expected) / expected;
    }
  }
  return sum;
}

TEST(Sampler, DrawsFollowTheDistributionAlongStepsAndRows) {
  SamplingOptions options;
  options.seed = 1;
  EXPECT_LT(chi_square(options, kProbabilities, false), 23.5);
  EXPECT_LT(chi_square(options, kProbabilities, true), 23.5);
  options.top_k = 3;
  EXPECT_LT(chi_square(options, {0, 0.4 / 0.85, 0, 0.3 / 0.85, 0.15 / 0.85}, false), 23.5);
}

TEST(Sampler, StreamsDependOnSeedRowAndStepOnly) {
  EXPECT_EQ(stream_uniform(1, 2, 3), stream_uniform(1, 2, 3));
  std::set<double> values;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    for (int64_t row = 0; row < 3; ++row) {
      for (int64_t step = 0; step < 3; ++step) values.insert(stream_uniform(seed, row, step));
    }
  }
  EXPECT_EQ(values.size(), 27u);
  EXPECT_GE(*values.begin(), 0);
  EXPECT_LT(*values.rbegin(), 1);
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  const auto with = [](auto set) {
    SamplingOptions options;
    set(options);
    return options;
  };
  EXPECT_THROW(Sampler(with([](auto& o) { o.temperature = -1; })), Error);
  EXPECT_THROW(Sampler(with([](auto& o) { o.top_k = -1; })), Error);
  EXPECT_THROW(Sampler(with([](auto& o) { o.top_p = 0; })), Error);
  EXPECT_THROW(Sampler(with([](auto& o) { o.min_p = 1.1; })), Error);
  EXPECT_THROW(Sampler(with([](auto& o) { o.repetition_penalty = 0; })), Error);
}

}  // namespace
}  // namespace weir
