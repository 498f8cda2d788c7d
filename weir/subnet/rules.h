#pragma once

#include <map>
#include <vector>

/// Rules of 2504.15471 for trainings of masks, as its code applies them.
namespace weir {

/// A spike is a loss above the mean of the ten before it (fewer at the start) by .25 or a quarter.
/// A curve is stable unless a spike comes within the last 100 steps, or the losses from it on do
/// not fall back to that mean 100 steps before the end.
bool is_stable(const std::vector<double>& losses);

/// "The" subnetwork among those of several lambda: the largest lambda whose correlation r is at
/// least that of the smallest lambda (0 in the paper) minus `tolerance`. kInvalidArgument for none.
double selected_lambda(const std::map<double, double>& r_by_lambda, double tolerance = 0.04);

/// r = limit - scale n^-power for active counts n, by least squares with limit <= 1, scale and
/// power >= 0 (the paper names a power law only; this form is ours). At least 3 points.
struct PowerLaw {
  double limit = 0, scale = 0, power = 0, rms = 0;
  double at(double n) const;
};
PowerLaw fit_power_law(const std::vector<double>& active, const std::vector<double>& r);

}  // namespace weir
