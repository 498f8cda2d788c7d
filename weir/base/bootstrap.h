#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace weir {

/// A mean with its bootstrap interval: percentiles 2.5 and 97.5 of the means of 2,000 resamples of
/// the values. The same seed gives the same draws, so that intervals of two quantities of the same
/// prompts can be compared. NaN for no values.
struct MeanInterval {
  double mean = 0, low = 0, high = 0;
  int64_t n = 0;  ///< Values

  bool is_below_zero() const { return high < 0; }
  bool is_above_zero() const { return low > 0; }
};
/// "0.31 [0.25, 0.37]" with so many digits behind the point; a change has its sign: "+0.31 [...]".
std::string interval_text(const MeanInterval& interval, int digits);
std::string change_text(const MeanInterval& interval, int digits);

MeanInterval bootstrap_mean(const std::vector<double>& values, uint64_t seed = 0);
/// Whole clusters (the prompts of a subject, by any ids) are drawn together: prompts that share a
/// subject are not independent.
MeanInterval bootstrap_mean(const std::vector<double>& values, const std::vector<int64_t>& cluster,
                            uint64_t seed = 0);
/// Any statistic of `n` things drawn with replacement: `mean` is that of all of them, each once.
MeanInterval bootstrap_statistic(
    int64_t n, const std::function<double(const std::vector<int64_t>& drawn)>& statistic,
    uint64_t seed = 0);

}  // namespace weir
