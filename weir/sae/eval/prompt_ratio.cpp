#include "weir/sae/eval/prompt_ratio.h"

#include <limits>
#include <numeric>

#include "weir/base/error.h"

namespace weir {
namespace {

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace

double PromptRatio::value() const {
  return above.empty() ? std::numeric_limits<double>::quiet_NaN() : sum(above) / sum(below);
}

MeanInterval PromptRatio::interval(uint64_t seed) const {
  return bootstrap_statistic(
      static_cast<int64_t>(above.size()),
      [this](const std::vector<int64_t>& drawn) {
        double top = 0, bottom = 0;
        for (const int64_t i : drawn) {
          top += above[i];
          bottom += below[i];
        }
        return top / bottom;
      },
      seed);
}

MeanInterval difference(const PromptRatio& a, const PromptRatio& b, uint64_t seed) {
  require(a.above.size() == b.above.size(),
          "difference: expected two metrics of the same prompts, got {} and {} prompts",
          a.above.size(), b.above.size());
  return bootstrap_statistic(
      static_cast<int64_t>(a.above.size()),
      [&](const std::vector<int64_t>& drawn) {
        double top_a = 0, bottom_a = 0, top_b = 0, bottom_b = 0;
        for (const int64_t i : drawn) {
          top_a += a.above[i];
          bottom_a += a.below[i];
          top_b += b.above[i];
          bottom_b += b.below[i];
        }
        return top_a / bottom_a - top_b / bottom_b;
      },
      seed);
}

}  // namespace weir
