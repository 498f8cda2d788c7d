#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "weir/sae/attention/frozen_run.h"

/// Why a head attends: its score taken apart into pairs of what the stream holds at the query and
/// at the key (2406.17759, on name movers). With x = sum_a c_a e_a on both sides and ln1 at its
/// scale,
///
///   score[D, s] = sum over pairs (a, b) of q_a(D) . k_b(s) * attn_scale,
///
/// q and k turned by the rotary embedding; the last component is what biases give.
namespace weir {

/// What the stream that enters a block is a sum of.
struct StreamParts {
  std::vector<std::string> names;  ///< "embed", "pos", "f0.17", "attn_rest0", "mlp0", ...
  at::Tensor values;               ///< [n, T, D], sums to the stream
};
/// For each layer below with a dictionary the `n_features` that are most active in sum over
/// positions; the others, errors and biases stay together as attn_restL.
StreamParts stream_parts(const FrozenRun& run, int64_t layer, int64_t n_features);

struct QueryKeyParts {
  std::vector<std::string> names;  ///< Of the stream's parts, and "bias"
  at::Tensor q, k;                 ///< [n, T, K]; k times attn_scale
  /// Score contributions at one edge: [n, n], rows query parts.
  at::Tensor at_edge(int64_t destination, int64_t source) const;
  /// All edges: [n, n, T, T]. Large: for few parts.
  at::Tensor pairs() const;
  at::Tensor scores() const;  ///< [T, T]: their sum
};
/// kUnsupported for models that norm q and k, or add a position bias to scores.
QueryKeyParts query_key_parts(const LanguageModel& lm, const FrozenRun& run, int64_t layer,
                              int64_t head, const StreamParts& parts);

/// Which pairs make scores vary over causal edges, by |covariance with the score| / its variance.
struct PairRanking {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  std::vector<double> share;          ///< cov(pair, score) / var(score)
  std::vector<double> cumulative_r2;  ///< Of the running sum, means removed: may fall
};
PairRanking rank_pairs(const QueryKeyParts& parts, int64_t n_best);

}  // namespace weir
