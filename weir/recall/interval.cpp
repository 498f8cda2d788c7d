#include "weir/recall/interval.h"

#include <algorithm>
#include <map>
#include <random>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {

Interval bootstrap_by_subject(const at::Tensor& values, const std::vector<int64_t>& group,
                              uint64_t seed, int64_t n_draws) {
  const at::Tensor flat = values.to(at::kCPU, at::kDouble).contiguous();
  require(flat.dim() == 1 && flat.size(0) == static_cast<int64_t>(group.size()) && !group.empty(),
          "interval: expected one value for each of {} prompts, got {}", group.size(),
          flat.numel());
  std::map<int64_t, std::pair<double, int64_t>> by_group;  // sum, count
  for (size_t i = 0; i < group.size(); ++i) {
    by_group[group[i]].first += flat.data_ptr<double>()[i];
    by_group[group[i]].second += 1;
  }
  std::vector<std::pair<double, int64_t>> groups;
  for (const auto& [id, sum] : by_group) groups.push_back(sum);
  std::mt19937_64 random(seed);
  std::vector<double> means;
  for (int64_t draw = 0; draw < n_draws; ++draw) {
    double sum = 0;
    int64_t count = 0;
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto& [value, n] = groups[random() % groups.size()];
      sum += value;
      count += n;
    }
    means.push_back(sum / static_cast<double>(count));
  }
  std::sort(means.begin(), means.end());
  const auto at_share = [&](double share) {
    return means[static_cast<size_t>(share * static_cast<double>(means.size() - 1))];
  };
  return {flat.mean().item<double>(), at_share(0.025), at_share(0.975)};
}

}  // namespace weir
