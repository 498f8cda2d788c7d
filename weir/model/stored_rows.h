#pragma once

#include <cstdint>
#include <vector>

#include "weir/io/tensor_view.h"

/// Rows of a stored matrix (or entries of a vector) in another order, copied in the form in which
/// they are stored: blocks stay blocks.
namespace weir {

/// Row i of the result is row index[i]; as many rows as before.
io::TensorView with_rows(const io::TensorView& tensor, const std::vector<int64_t>& index);

/// A q or k projection (weight or bias) whose head rows are ordered for interleaved RoPE, pairs
/// (2i, 2i+1), brought to Hugging Face's half-split order, pairs (i, i + K/2). kCorruptData when
/// the rows do not divide into heads of even size.
io::TensorView with_half_split_rows(const io::TensorView& tensor, int64_t n_heads);

}  // namespace weir
