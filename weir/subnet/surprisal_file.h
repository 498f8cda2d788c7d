#pragma once

#include <filesystem>

#include <ATen/core/Tensor.h>

namespace weir {

/// Surprisals in bits of the tokens 2 .. T of every row, row after row, as one float32 array: the
/// .npy that the code of 2504.15471 keeps for its n-grams. +inf where the probability is 0.
void save_surprisals(const at::Tensor& surprisals, const std::filesystem::path& file);
/// float64 [n]; also of a .npz, or a safetensors file with the tensor "surprisal".
at::Tensor load_surprisals(const std::filesystem::path& file);

/// Rows of token ids: int64 [N, T] of a text file with one row a line, ids separated by spaces (the
/// inputs of that code). kCorruptData for other text and for rows of different lengths.
at::Tensor read_token_lines(const std::filesystem::path& file);

}  // namespace weir
