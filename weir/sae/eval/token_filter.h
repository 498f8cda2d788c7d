#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weir {

/// Tokens that count in nothing. The first positions of a row and outliers by norm say little of
/// their token and would drown sums and means: in SmolLM2's layer 15 the first position's norm is
/// 140 times the median, its square 20,000 times. SAEBench leaves out special tokens alone
/// (skip_positions = 0, max_norm_multiple = 0).
struct TokenFilterOptions {
  int64_t skip_positions = 1;  ///< Real tokens at the start of a row.
  /// More than so many times the median norm of the first batch; 0: no limit.
  double max_norm_multiple = 10;
  std::vector<int64_t> skip_tokens;  ///< By id.
};

/// How many were left out, each under the first reason that holds.
struct TokenCounts {
  int64_t n_tokens = 0;  ///< Real ones.
  int64_t positions = 0, by_id = 0, outliers = 0;
};

class TokenFilter {
 public:
  explicit TokenFilter(TokenFilterOptions options) : options_(std::move(options)) {}
  /// bool [B, T]: which tokens count. tokens int64 [B, T], their activations x [B, T, ...], `real`
  /// bool [B, T] (undefined: all).
  at::Tensor operator()(const at::Tensor& tokens, const at::Tensor& x, const at::Tensor& real = {});
  const TokenCounts& counts() const { return counts_; }

 private:
  TokenFilterOptions options_;
  TokenCounts counts_;
  double limit_ = 0;
};

}  // namespace weir
