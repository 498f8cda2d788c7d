#include "weir/lm/token_batch.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {

TokenBatch left_pad(const std::vector<std::vector<int64_t>>& rows, int64_t pad_id) {
  require(!rows.empty(), "tokens: expected at least one row, got none");
  size_t longest = 0, shortest = rows[0].size();
  for (const auto& row : rows) {
    longest = std::max(longest, row.size());
    shortest = std::min(shortest, row.size());
  }
  require(shortest > 0, "tokens: expected at least one token in every row, got an empty one");
  const auto n_rows = static_cast<int64_t>(rows.size());
  const auto n_positions = static_cast<int64_t>(longest);
  TokenBatch batch{at::full({n_rows, n_positions}, pad_id, at::kLong), {}};
  if (shortest < longest) batch.attention_mask = at::ones({n_rows, n_positions}, at::kBool);
  for (int64_t b = 0; b < n_rows; ++b) {
    const auto n_tokens = static_cast<int64_t>(rows[b].size());
    const int64_t n_pads = n_positions - n_tokens;
    std::copy(rows[b].begin(), rows[b].end(),
              batch.tokens.data_ptr<int64_t>() + b * n_positions + n_pads);
    if (n_pads > 0) batch.attention_mask[b].slice(0, 0, n_pads).fill_(false);
  }
  return batch;
}

void check_shape(const TokenBatch& batch) {
  const at::Tensor& tokens = batch.tokens;
  require(tokens.defined() && tokens.dim() == 2 && tokens.scalar_type() == at::kLong,
          "tokens: expected int64 ids [batch, position]");
  require(tokens.numel() > 0, "tokens: expected at least one token, got shape {}",
          c10::str(tokens.sizes()));
}

}  // namespace weir
