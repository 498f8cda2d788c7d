#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::io {

/// How the elements of a stored tensor are encoded. The kQ* types are GGUF block formats: a block
/// of 32 (K types: 256) consecutive elements of a row shares its scales.
enum class DType {
  kF64,
  kF32,
  kF16,
  kBF16,
  kF8E4M3,
  kF8E5M2,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
};

/// "F32", "BF16", "I64", "BOOL", "Q4_1", ...: the spelling of safetensors and GGUF.
std::string_view to_string(DType dtype);
bool is_block_type(DType dtype);
/// Floating point or a block type: neither integers nor booleans.
bool is_real(DType dtype);
/// Elements in one block; 1 for plain types.
int64_t block_elements(DType dtype);
/// Bytes of one block; of one element for plain types.
int64_t block_bytes(DType dtype);
/// Bytes of a tensor of this dtype; false when the size overflows or a row is not whole blocks.
bool tensor_bytes(DType dtype, const std::vector<int64_t>& shape, uint64_t* n_bytes);

/// A tensor inside a file: where its bytes lie, nothing copied. Rows first (C order); a GGUF
/// shape is given in that order too, [out, in], the reverse of how the file lists it.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  uint64_t n_bytes = 0;
  std::shared_ptr<const void> owner;  ///< Keeps `data` valid (a mapping, or a decompressed copy).

  int64_t n_elements() const;
};

/// The tensors of a file (or of all shards of a checkpoint), in file order, and its string
/// metadata. Copying it copies handles, not data.
struct TensorMap {
  std::vector<TensorView> tensors;
  std::map<std::string, std::string> metadata;
  std::string source;  ///< The path, for messages.

  /// The tensor of that name, or nullptr. Linear for few tensors, so look up many through `index`.
  const TensorView* find(std::string_view name) const;
  /// The tensor of that name; kNotFound names the nearest ones.
  const TensorView& at(std::string_view name) const;
};

}  // namespace weir::io
