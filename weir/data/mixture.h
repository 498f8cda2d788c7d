#pragma once

#include <cstdint>
#include <vector>

namespace weir::data {

/// Deals rows to sources by weight, without a state: which source row n comes from, and how many
/// rows that source gave before.
///
/// Shares are weights / their sum, rounded to multiples of 1/4096 (at least one). Every 4096 rows
/// repeat one pattern that hands each row to the source which is furthest behind, so that at any
/// time no source of K is ahead of its rounded share by 1 row or behind it by K - 1.
class Mixture {
 public:
  static constexpr int64_t kPeriod = 4096;

  /// kInvalidArgument unless there are 1 to 4096 weights, all above 0 and finite.
  explicit Mixture(const std::vector<double>& weights);

  struct Place {
    int64_t source;
    int64_t index;  ///< Rows of this source before.
  };
  Place at(int64_t row) const;
  /// As rounded.
  double share(int64_t source) const;

 private:
  std::vector<int64_t> counts_;  ///< Rows of each source in a period.
  std::vector<Place> pattern_;
};

}  // namespace weir::data
