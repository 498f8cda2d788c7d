#include "weir/data/mixture.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "weir/base/error.h"

namespace weir::data {
namespace {

// Whole numbers that sum to the period, by largest remainder.
std::vector<int64_t> rounded(const std::vector<double>& weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<int64_t> counts(weights.size());
  std::vector<double> missing(weights.size());
  for (size_t k = 0; k < weights.size(); ++k) {
    const double exact = weights[k] / sum * Mixture::kPeriod;
    counts[k] = std::max<int64_t>(1, static_cast<int64_t>(std::floor(exact)));
    missing[k] = exact - static_cast<double>(counts[k]);
  }
  // Below the sum by rounding down, or above it where tiny weights were raised to one row.
  for (int64_t left = Mixture::kPeriod - std::accumulate(counts.begin(), counts.end(), int64_t{0});
       left != 0; left += left > 0 ? -1 : 1) {
    size_t best = 0;
    for (size_t k = 1; k < counts.size(); ++k) {
      const bool is_further = left > 0 ? missing[k] > missing[best] : counts[k] > counts[best];
      if (is_further) best = k;
    }
    counts[best] += left > 0 ? 1 : -1;
    missing[best] += left > 0 ? -1 : 1;
  }
  return counts;
}

}  // namespace

Mixture::Mixture(const std::vector<double>& weights) {
  require(!weights.empty() && weights.size() <= kPeriod,
          "mixture: expected 1 to {} sources, got {}", kPeriod, weights.size());
  for (const double weight : weights) {
    require(weight > 0 && std::isfinite(weight), "mixture: expected weights above 0, got {}",
            weight);
  }
  counts_ = rounded(weights);
  std::vector<int64_t> behind(weights.size()), given(weights.size());
  pattern_.reserve(kPeriod);
  for (int64_t row = 0; row < kPeriod; ++row) {
    for (size_t k = 0; k < behind.size(); ++k) behind[k] += counts_[k];
    const auto source = std::max_element(behind.begin(), behind.end()) - behind.begin();
    behind[source] -= kPeriod;
    pattern_.push_back({source, given[source]++});
  }
}

Mixture::Place Mixture::at(int64_t row) const {
  const Place place = pattern_[row % kPeriod];
  return {place.source, row / kPeriod * counts_[place.source] + place.index};
}

double Mixture::share(int64_t source) const {
  return static_cast<double>(counts_[source]) / kPeriod;
}

}  // namespace weir::data
