#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "weir/nn/attention.h"

namespace weir {

/// What an AttentionMask says, where every query sees one run of keys that ends with itself: those
/// from first(row, query) to before end(query).
struct VisibleKeys {
  int64_t first_query = 0, n_queries = 0;
  std::vector<int64_t> firsts;  ///< [B, T], growing along T

  int64_t first(int64_t row, int64_t query) const { return firsts[row * n_queries + query]; }
  int64_t end(int64_t query) const { return first_query + query + 1; }
};

/// Nothing when a pad stands behind a real key. A pad sees nothing: its first is its end or later.
std::optional<VisibleKeys> visible_keys(const AttentionMask& mask, int64_t n_rows,
                                        int64_t n_queries);

}  // namespace weir
