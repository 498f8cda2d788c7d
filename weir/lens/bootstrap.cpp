#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "weir/base/error.h"
#include "weir/lens/score_prompts.h"
#include "weir/tasks/draw.h"

namespace weir {
namespace {

constexpr int kResamples = 2000;
constexpr uint64_t kSeed = 0;

}  // namespace

MeanInterval bootstrap_mean(const std::vector<double>& values) {
  std::vector<int64_t> each(values.size());
  std::iota(each.begin(), each.end(), 0);
  return bootstrap_mean(values, each);
}

MeanInterval bootstrap_mean(const std::vector<double>& values,
                            const std::vector<int64_t>& cluster) {
  require(values.size() == cluster.size(),
          "bootstrap: expected a cluster for each of {} values, got {}", values.size(),
          cluster.size());
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  if (values.empty()) return {kNaN, kNaN, kNaN, 0};
  const auto n_clusters =
      static_cast<size_t>(*std::max_element(cluster.begin(), cluster.end()) + 1);
  std::vector<double> sum(n_clusters, 0), count(n_clusters, 0);
  for (size_t i = 0; i < values.size(); ++i) {
    sum[static_cast<size_t>(cluster[i])] += values[i];
    count[static_cast<size_t>(cluster[i])] += 1;
  }
  Draw draw(kSeed);
  std::vector<double> means(kResamples);
  for (double& mean : means) {
    double total = 0, n = 0;
    while (n == 0) {
      for (size_t k = 0; k < n_clusters; ++k) {
        const size_t chosen = draw.below(n_clusters);
        total += sum[chosen];
        n += count[chosen];
      }
    }
    mean = total / n;
  }
  std::sort(means.begin(), means.end());
  const auto at = [&](double share) {
    return means[static_cast<size_t>(std::lround(share * (kResamples - 1)))];
  };
  const double mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return {mean, at(0.025), at(0.975), static_cast<int64_t>(values.size())};
}

}  // namespace weir
