#include "weir/sae/dashboard/token_runs.h"

#include <cmath>
#include <unordered_map>

namespace weir {

TokenRuns::TokenRuns(const LatentEvents& events) {
  const int64_t n = events.n_rows();
  for (int length = 1; length <= kLongest; ++length) {
    auto& runs = runs_[length - 1];
    auto& counts = counts_[length - 1];
    runs.reserve(static_cast<size_t>(n));
    std::unordered_map<uint64_t, int32_t> numbers;
    for (int64_t row = 0; row < n; ++row) {
      const auto [context, position] = events.place(row);
      // A run of two is a run of one and the token before it; 0 before the context's start.
      const int64_t before = position - length + 1;
      const uint64_t token =
          before < 0 ? 0 : static_cast<uint64_t>(events.token(context, before)) + 1;
      const uint64_t rest =
          length == 1 ? 0 : static_cast<uint64_t>(runs_[length - 2][static_cast<size_t>(row)]);
      const auto [place, is_new] =
          numbers.emplace(rest << 32 | token, static_cast<int32_t>(counts.size()));
      if (is_new) counts.push_back(0);
      ++counts[static_cast<size_t>(place->second)];
      runs.push_back(place->second);
    }
  }
}

double lookup_score(const TokenRuns& runs, int length, int64_t n_rows, const int32_t* rows,
                    const float* values, int64_t n, LookupScratch* scratch) {
  const auto n_runs = static_cast<size_t>(runs.n_runs(length));
  if (scratch->sum.size() < n_runs) {
    scratch->sum.resize(n_runs, 0);
    scratch->fired.resize(n_runs, 0);
  }
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) {
    const auto run = static_cast<size_t>(runs.run(length, rows[i]));
    scratch->sum[run] += values[i];
    ++scratch->fired[run];
    sum += values[i];
    squares += double{values[i]} * values[i];
  }
  double error = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t run = runs.run(length, rows[i]);
    const int32_t others = runs.count(length, run) - 1;
    const double total = scratch->sum[static_cast<size_t>(run)];
    const double told = others > 0 ? (total - values[i]) / others : 0;
    error += (values[i] - told) * (values[i] - told);
  }
  for (int64_t i = 0; i < n; ++i) {
    const int32_t run = runs.run(length, rows[i]);
    const auto place = static_cast<size_t>(run);
    if (scratch->fired[place] == 0) continue;  // Its rows without a firing are counted.
    const int32_t count = runs.count(length, run);
    if (count > 1) {
      const double told = scratch->sum[place] / (count - 1);
      error += (count - scratch->fired[place]) * told * told;
    }
    scratch->sum[place] = 0;
    scratch->fired[place] = 0;
  }
  const double variance = squares - sum * sum / static_cast<double>(n_rows);
  return variance > 0 ? 1 - error / variance : std::nan("");
}

}  // namespace weir
