#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weir {

/// Token ids of several texts as one rectangle: shorter rows are padded on the left.
struct TokenBatch {
  at::Tensor tokens;          ///< int64 [B, T]
  at::Tensor attention_mask;  ///< bool [B, T]; undefined when no row is padded.
};

TokenBatch left_pad(const std::vector<std::vector<int64_t>>& rows, int64_t pad_id = 0);

/// Tensors of files by what they mean, where their type allows more. Of any integer or float type;
/// kInvalidArgument names the first value that is none, and its place.
/// int64 ids out of whole numbers. Booleans are a mask, not ids.
at::Tensor to_token_ids(const at::Tensor& tokens);
/// bool out of 0 (pad) and 1 (real), of bool too. Other conventions (0 and -inf to be added,
/// segment numbers, weights) are refused rather than read as "not 0".
at::Tensor to_attention_mask(const at::Tensor& mask);

/// kInvalidArgument unless the tokens are int64 [B, T], neither empty. Their values are checked by
/// the forward that reads them.
void check_shape(const TokenBatch& batch);

}  // namespace weir
