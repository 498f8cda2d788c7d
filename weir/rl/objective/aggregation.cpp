#include "weir/rl/objective/aggregation.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/rl/objective/settings.h"

namespace weir::rl {

const std::vector<std::string>& aggregation_kinds() {
  static const std::vector<std::string> kinds = {"token_mean", "token_sum", "seq_mean_token_sum",
                                                 "seq_mean_token_sum_norm", "seq_mean_token_mean"};
  return kinds;
}

Aggregation aggregation_of(const nlohmann::json& of) {
  Settings settings(of, "aggregation");
  Aggregation how;
  how.kind = settings.choice("kind", how.kind, aggregation_kinds());
  how.length = settings.number("length", 0, 0);
  how.count_empty_rows = settings.flag("count_empty_rows", false);
  how.tokens = settings.number("tokens", 0, 0);
  how.rows = settings.number("rows", 0, 0);
  how.factor = settings.number("factor", 1);
  settings.finish();
  return how;
}

at::Tensor aggregate(const at::Tensor& losses, const at::Tensor& mask, const Aggregation& how) {
  require(losses.dim() == 2 && losses.sizes() == mask.sizes(),
          "aggregation: expected losses and mask [B, T] alike, got {} and {}",
          c10::str(losses.sizes()), c10::str(mask.sizes()));
  const at::Tensor counted = losses * mask;
  const double n_tokens = how.tokens > 0 ? how.tokens : mask.sum().item<double>();
  if (how.kind == "token_sum") return counted.sum() * how.factor;
  if (how.kind == "token_mean") return counted.sum() * (how.factor / std::max(n_tokens, 1.0));
  const at::Tensor lengths = mask.sum(1);
  double n_rows = how.rows;
  if (n_rows == 0 && how.count_empty_rows) n_rows = static_cast<double>(mask.size(0));
  if (n_rows == 0) n_rows = lengths.gt(0).sum().item<double>();
  at::Tensor rows = counted.sum(1);
  if (how.kind == "seq_mean_token_mean") rows = rows / lengths.clamp_min(1);
  double divisor = std::max(n_rows, 1.0);
  if (how.kind == "seq_mean_token_sum_norm") {
    divisor *= how.length > 0 ? how.length : static_cast<double>(mask.size(1));
  }
  return rows.sum() * (how.factor / divisor);
}

at::Tensor masked_mean(const at::Tensor& x, const at::Tensor& mask) {
  return (x * mask).sum() / mask.sum().clamp_min(1);
}

}  // namespace weir::rl
