#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

namespace weir::rl {

/// How losses of tokens [B, T] become one number; mask [B, T] is 1 on tokens that count. Names as
/// in verl (`agg_loss`):
///
///   token_mean            sum / tokens (DAPO)
///   token_sum
///   seq_mean_token_sum    mean over rows of their sums (Dr.GRPO)
///   seq_mean_token_sum_norm   the same over a constant length (`length`; 0: T)
///   seq_mean_token_mean   mean over rows of their means (GRPO)
///
/// Rows without a token that counts are no rows, unless `count_empty_rows` (TRL). So that the parts
/// of a batch add up to it, the whole batch's `tokens` and `rows` may be given, and a `factor`.
struct Aggregation {
  std::string kind = "token_mean";
  double length = 0;
  bool count_empty_rows = false;
  double tokens = 0, rows = 0;  ///< 0: those of the mask.
  double factor = 1;
};

/// Keys are the members' names. kInvalidArgument for others.
Aggregation aggregation_of(const nlohmann::json& settings);
const std::vector<std::string>& aggregation_kinds();

/// The scalar, with gradients to `losses`.
at::Tensor aggregate(const at::Tensor& losses, const at::Tensor& mask, const Aggregation& how);

/// sum(x m) / sum(m); 0 where nothing counts.
at::Tensor masked_mean(const at::Tensor& x, const at::Tensor& mask);

}  // namespace weir::rl
