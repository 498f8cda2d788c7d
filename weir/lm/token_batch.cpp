#include "weir/lm/token_batch.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

std::string place_of(const at::Tensor& flat_index, at::IntArrayRef shape) {
  int64_t rest = flat_index.item<int64_t>();
  std::vector<int64_t> place(shape.size());
  for (size_t axis = shape.size(); axis-- > 0; rest /= shape[axis])
    place[axis] = rest % shape[axis];
  return c10::str("[", c10::Join(", ", place), "]");
}

void require_real(const at::Tensor& tensor, const char* what) {
  require(tensor.defined() && !tensor.is_complex(), "{}: expected numbers, found {}", what,
          tensor.defined() ? c10::toString(tensor.scalar_type()) : "nothing");
}

// `expected` says what every value must be; `is_good` (bool, of the tensor's shape) where it is.
void require_all(const at::Tensor& is_good, const at::Tensor& tensor, const char* what,
                 const char* expected) {
  if (is_good.all().item<bool>()) return;
  const at::Tensor first = is_good.flatten().to(at::kByte).argmin();
  const at::Tensor found = tensor.flatten()[first.item<int64_t>()];
  // 5.7 of a float32 is 5.7, not 5.699999809265137.
  const std::string text = found.scalar_type() == at::kDouble
                               ? fmt::format("{}", found.item<double>())
                               : fmt::format("{}", found.item<float>());
  fail(ErrorCode::kInvalidArgument, "{}: expected {}, found {} at {}", what, expected, text,
       place_of(first, tensor.sizes()));
}

}  // namespace

at::Tensor to_token_ids(const at::Tensor& tokens) {
  require_real(tokens, "tokens");
  require(tokens.scalar_type() != at::kBool,
          "tokens: expected ids, found booleans; is this the mask?");
  if (!tokens.is_floating_point()) return tokens.to(at::kLong);
  const at::Tensor values = tokens.to(at::kDouble);
  // Beyond 2^53 a double is whole, but no longer the number that was meant.
  require_all(values.eq(values.trunc()).logical_and(values.abs().lt(0x1p53)), tokens, "tokens",
              "whole numbers");
  return values.to(at::kLong);
}

at::Tensor to_attention_mask(const at::Tensor& mask) {
  require_real(mask, "attention_mask");
  require_all(mask.eq(0).logical_or(mask.eq(1)), mask, "attention_mask", "0 (pad) or 1 (real)");
  return mask.to(at::kBool);
}

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
