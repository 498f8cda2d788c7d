#include "weir/base/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"

namespace weir {
namespace {

constexpr int kResamples = 2000;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// The interval of a statistic of `value` whose resamples are these.
MeanInterval interval_of(double value, std::vector<double> resamples, size_t n) {
  std::sort(resamples.begin(), resamples.end());
  const auto at = [&](double share) {
    return resamples[static_cast<size_t>(std::lround(share * (kResamples - 1)))];
  };
  return {value, at(0.025), at(0.975), static_cast<int64_t>(n)};
}

}  // namespace

MeanInterval bootstrap_mean(const std::vector<double>& values, uint64_t seed) {
  std::vector<int64_t> each(values.size());
  std::iota(each.begin(), each.end(), 0);
  return bootstrap_mean(values, each, seed);
}

MeanInterval bootstrap_mean(const std::vector<double>& values, const std::vector<int64_t>& cluster,
                            uint64_t seed) {
  require(values.size() == cluster.size(),
          "bootstrap: expected a cluster for each of {} values, got {}", values.size(),
          cluster.size());
  if (values.empty()) return {kNaN, kNaN, kNaN, 0};
  std::map<int64_t, std::pair<double, int64_t>> by_cluster;  // sum, number
  for (size_t i = 0; i < values.size(); ++i) {
    by_cluster[cluster[i]].first += values[i];
    by_cluster[cluster[i]].second += 1;
  }
  std::vector<std::pair<double, int64_t>> clusters;
  for (const auto& [id, sum] : by_cluster) clusters.push_back(sum);
  Draw draw(seed);
  std::vector<double> means(kResamples);
  for (double& mean : means) {
    double total = 0;
    int64_t n = 0;
    for (size_t k = 0; k < clusters.size(); ++k) {
      const auto& [sum, count] = draw.pick(clusters);
      total += sum;
      n += count;
    }
    mean = total / static_cast<double>(n);
  }
  const double mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return interval_of(mean, std::move(means), values.size());
}

MeanInterval bootstrap_statistic(
    int64_t n, const std::function<double(const std::vector<int64_t>& drawn)>& statistic,
    uint64_t seed) {
  if (n == 0) return {kNaN, kNaN, kNaN, 0};
  std::vector<int64_t> drawn(static_cast<size_t>(n));
  std::iota(drawn.begin(), drawn.end(), 0);
  const double value = statistic(drawn);
  Draw draw(seed);
  std::vector<double> resamples(kResamples);
  for (double& resample : resamples) {
    for (int64_t& i : drawn) i = static_cast<int64_t>(draw.below(static_cast<uint64_t>(n)));
    resample = statistic(drawn);
  }
  return interval_of(value, std::move(resamples), static_cast<size_t>(n));
}

std::string interval_text(const MeanInterval& interval, int digits) {
  return fmt::format("{0:.{3}f} [{1:.{3}f}, {2:.{3}f}]", interval.mean, interval.low, interval.high,
                     digits);
}

std::string change_text(const MeanInterval& interval, int digits) {
  return fmt::format("{0:+.{3}f} [{1:+.{3}f}, {2:+.{3}f}]", interval.mean, interval.low,
                     interval.high, digits);
}

}  // namespace weir
