#include "weir/sae/eval/comparison.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kMostDeals = 200000;

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double squares_about_mean(const std::vector<double>& values) {
  const double mean = mean_of(values);
  return std::accumulate(values.begin(), values.end(), 0.0, [mean](double sum, double value) {
    return sum + (value - mean) * (value - mean);
  });
}

double ways(int64_t n, int64_t k) {
  double result = 1;
  for (int64_t i = 0; i < k; ++i) {
    result *= static_cast<double>(n - i) / static_cast<double>(i + 1);
  }
  return result;
}

/// Deals all values to the arms in every way, the first `n_a` to a.
double permutation_p(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<int64_t>(a.size() + b.size()), n_a = static_cast<int64_t>(a.size());
  if (n < 3 || ways(n, n_a) > kMostDeals) return kNaN;
  std::vector<double> all = a;
  all.insert(all.end(), b.begin(), b.end());
  const double observed = std::abs(mean_of(b) - mean_of(a)) * (1 - 1e-12);
  const double sum = std::accumulate(all.begin(), all.end(), 0.0);
  std::vector<bool> in_a(all.size(), false);
  std::fill(in_a.begin(), in_a.begin() + n_a, true);
  int64_t n_ways = 0, n_far = 0;
  do {
    double sum_a = 0;
    for (size_t i = 0; i < all.size(); ++i) sum_a += in_a[i] ? all[i] : 0;
    const double apart =
        (sum - sum_a) / static_cast<double>(b.size()) - sum_a / static_cast<double>(n_a);
    ++n_ways;
    n_far += std::abs(apart) >= observed ? 1 : 0;
  } while (std::prev_permutation(in_a.begin(), in_a.end()));
  return static_cast<double>(n_far) / static_cast<double>(n_ways);
}

std::vector<double> values_of(const ComparedArm& arm, size_t index) {
  std::vector<double> values;
  for (const SuiteResult& seed : arm.seeds) values.push_back(headline(seed)[index].second);
  return values;
}

/// By prompt, where the metric has that form.
const PromptRatio* by_prompt(const ComparedArm& arm, const std::string& key) {
  if (arm.seeds.size() != 1 || !arm.seeds[0].core) return nullptr;
  const auto& ratios = arm.seeds[0].core->by_prompt;
  const auto found = ratios.find(key);
  return found == ratios.end() ? nullptr : &found->second;
}

}  // namespace

double student_t(int64_t n) {
  require(n >= 1, "Student's t: expected at least one degree of freedom, got {}", n);
  static constexpr std::array<double, 30> kTable = {
      12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
      2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
      2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  if (n <= static_cast<int64_t>(kTable.size())) return kTable[static_cast<size_t>(n - 1)];
  return 1.95996 + 2.37 / static_cast<double>(n) + 2.8 / static_cast<double>(n * n);
}

const char* to_string(ArmDifference::Verdict verdict) {
  switch (verdict) {
    case ArmDifference::Verdict::kDiffers:
      return "differs";
    case ArmDifference::Verdict::kNoise:
      return "within reseed noise";
    default:
      return "reseed noise unknown";
  }
}

ArmValue arm_value(std::vector<double> by_seed) {
  require(!by_seed.empty(), "comparison: expected at least one dictionary in each arm");
  const auto n = static_cast<int64_t>(by_seed.size());
  const double mean = mean_of(by_seed);
  ArmValue value{std::move(by_seed), {mean, kNaN, kNaN, n}, kNaN};
  if (n < 2) return value;
  value.deviation = std::sqrt(squares_about_mean(value.by_seed) / static_cast<double>(n - 1));
  const double half = student_t(n - 1) * value.deviation / std::sqrt(static_cast<double>(n));
  value.interval.low = mean - half;
  value.interval.high = mean + half;
  return value;
}

ArmDifference arm_difference(const std::vector<double>& a, const std::vector<double>& b) {
  ArmDifference result;
  result.difference = mean_of(b) - mean_of(a);
  result.p_permutation = permutation_p(a, b);
  result.half_width = kNaN;
  result.on_text = {kNaN, kNaN, kNaN, 0};
  const auto n_a = static_cast<double>(a.size()), n_b = static_cast<double>(b.size());
  const auto freedom = static_cast<int64_t>(a.size() + b.size()) - 2;
  if (freedom < 1) return result;
  const double variance =
      (squares_about_mean(a) + squares_about_mean(b)) / static_cast<double>(freedom);
  result.half_width = student_t(freedom) * std::sqrt(variance * (1 / n_a + 1 / n_b));
  result.verdict = std::abs(result.difference) > result.half_width
                       ? ArmDifference::Verdict::kDiffers
                       : ArmDifference::Verdict::kNoise;
  return result;
}

std::vector<ComparedMetric> compare(const std::vector<ComparedArm>& arms, uint64_t seed) {
  require(arms.size() >= 2, "comparison: expected at least two arms, got {}", arms.size());
  std::vector<ComparedMetric> metrics;
  for (const ComparedArm& arm : arms) {
    require(!arm.seeds.empty(), "comparison: {} has no dictionary", arm.name);
  }
  const auto names = headline(arms[0].seeds[0]);
  for (size_t i = 0; i < names.size(); ++i) {
    ComparedMetric metric{names[i].first, {}, {}};
    const PromptRatio* first = by_prompt(arms[0], metric.key);
    const std::vector<double> base = values_of(arms[0], i);
    for (const ComparedArm& arm : arms) {
      metric.arms.push_back(arm_value(values_of(arm, i)));
      metric.differences.push_back(arm_difference(base, metric.arms.back().by_seed));
      const PromptRatio* own = by_prompt(arm, metric.key);
      if (own != nullptr) metric.arms.back().interval = own->interval(seed);
      if (own != nullptr && first != nullptr) {
        metric.differences.back().on_text = difference(*own, *first, seed);
      }
    }
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

}  // namespace weir
