#include "weir/subnet/rules.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr size_t kBefore = 10, kLast = 100;
constexpr double kSpike = 0.25, kSpikeFactor = 1.25;

}  // namespace

bool is_stable(const std::vector<double>& losses) {
  const size_t n = losses.size();
  for (size_t i = 1; i < n; ++i) {
    const size_t first = i > kBefore ? i - kBefore : 0;
    const double mean = std::accumulate(losses.begin() + static_cast<int64_t>(first),
                                        losses.begin() + static_cast<int64_t>(i), 0.0) /
                        static_cast<double>(i - first);
    if (losses[i] <= mean + kSpike && losses[i] <= mean * kSpikeFactor) continue;
    if (i + kLast >= n) return false;
    const auto least = std::min_element(losses.begin() + static_cast<int64_t>(i),
                                        losses.begin() + static_cast<int64_t>(n - kLast));
    if (*least > mean) return false;
  }
  return true;
}

double selected_lambda(const std::map<double, double>& r_by_lambda, double tolerance) {
  require(!r_by_lambda.empty(), "subnetworks: no correlations to select from");
  const double least = r_by_lambda.begin()->second - tolerance;
  for (auto entry = r_by_lambda.rbegin(); entry != r_by_lambda.rend(); ++entry) {
    if (entry->second >= least) return entry->first;
  }
  return r_by_lambda.begin()->first;
}

double PowerLaw::at(double n) const { return limit - scale * std::pow(n, -power); }

PowerLaw fit_power_law(const std::vector<double>& active, const std::vector<double>& r) {
  require(active.size() == r.size() && r.size() >= 3,
          "power law: expected at least 3 points, got {} and {}", active.size(), r.size());
  PowerLaw best;
  double least = std::numeric_limits<double>::infinity();
  const auto n = static_cast<double>(r.size());
  // For a given power the other two are a line's; the power is searched on a grid, then narrowed.
  const auto line = [&](double power) {
    double sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (size_t i = 0; i < r.size(); ++i) {
      const double x = std::pow(active[i], -power);
      sx += x, sy += r[i], sxx += x * x, sxy += x * r[i];
    }
    const double spread = sxx - sx * sx / n;
    PowerLaw law;
    law.power = power;
    law.scale = spread > 0 ? std::max(0.0, -(sxy - sx * sy / n) / spread) : 0;
    law.limit = (sy + law.scale * sx) / n;
    if (law.limit > 1) {
      law.limit = 1;
      law.scale = sxx > 0 ? std::max(0.0, (sx - sxy) / sxx) : 0;
    }
    double squares = 0;
    for (size_t i = 0; i < r.size(); ++i) squares += std::pow(r[i] - law.at(active[i]), 2);
    law.rms = std::sqrt(squares / n);
    return law;
  };
  double centre = 1, half = 1;
  for (int round = 0; round < 6; ++round) {
    const double from = std::max(1e-3, centre - half), to = centre + half;
    for (int i = 0; i <= 100; ++i) {
      const PowerLaw law = line(from + (to - from) * i / 100);
      if (law.rms >= least) continue;
      least = law.rms;
      best = law;
    }
    centre = best.power;
    half /= 10;
  }
  return best;
}

}  // namespace weir
