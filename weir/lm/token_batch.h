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

/// kInvalidArgument unless the tokens are int64 [B, T], neither empty. Their values are checked by
/// the forward that reads them.
void check_shape(const TokenBatch& batch);

}  // namespace weir
