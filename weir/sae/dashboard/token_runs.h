#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "weir/sae/dashboard/latent_events.h"

namespace weir {

/// Every row's last one, two and three tokens as numbers, with how often each comes among the rows.
/// Memory: 12 bytes a row and 4 a different run.
class TokenRuns {
 public:
  static constexpr int kLongest = 3;
  explicit TokenRuns(const LatentEvents& events);

  /// Which run of `length` (1 to 3) tokens a row ends.
  int32_t run(int length, int64_t row) const { return runs_[length - 1][static_cast<size_t>(row)]; }
  int32_t count(int length, int32_t run) const {
    return counts_[length - 1][static_cast<size_t>(run)];
  }
  int64_t n_runs(int length) const { return static_cast<int64_t>(counts_[length - 1].size()); }

 private:
  std::array<std::vector<int32_t>, kLongest> runs_, counts_;
};

/// How well a table of the last `length` tokens tells a latent's activation: 1 - squared error over
/// variance, over all rows, where each row is told the mean of the other rows with its tokens (0
/// where there is none). 1: the latent is a function of these tokens; 0 or below: they say nothing.
/// `rows`, `values`: where it fires. `scratch` keeps its memory between calls.
struct LookupScratch {
  std::vector<double> sum;
  std::vector<int32_t> fired;
};
double lookup_score(const TokenRuns& runs, int length, int64_t n_rows, const int32_t* rows,
                    const float* values, int64_t n, LookupScratch* scratch);

}  // namespace weir
