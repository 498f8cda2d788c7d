#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/data/activation_source.h"

namespace weir::data {

/// How many tokens gave no row, and why: each under the first reason that holds.
struct DropCounts {
  int64_t n_tokens = 0;   ///< Seen, padding excluded.
  int64_t positions = 0;  ///< First positions of contexts (or documents), where attention sinks.
  int64_t tokens = 0;     ///< Tokens that were to be left out, such as BOS.
  int64_t norms = 0;      ///< Outliers by norm, at any site.
  std::vector<int64_t> norms_by_site;  ///< Of these; a token may count at several sites.

  int64_t n_kept() const { return n_tokens - positions - tokens - norms; }
  DropCounts& operator+=(const DropCounts& more);
};

/// Contexts that follow each other in a corpus, with the rows that were kept of them.
struct ActivationBlock {
  int64_t first_context = 0;
  at::Tensor tokens;     ///< int64 [C, T]; -1 behind the end of a context.
  ActivationBatch rows;  ///< In order; `rows.contexts` counts from the corpus' start.
  DropCounts dropped;

  int64_t n_contexts() const { return tokens.size(0); }
};

}  // namespace weir::data
