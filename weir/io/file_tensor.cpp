#include "weir/io/file_tensor.h"

#include <cstring>

#include <fmt/ranges.h>

#include "weir/base/error.h"
#include "weir/io/printable.h"

namespace weir::io {

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::shared_ptr<std::byte[]> allocate_tensor(uint64_t n_bytes) {
  return std::shared_ptr<std::byte[]>(new std::byte[n_bytes]);
}

TensorView file_tensor(const std::shared_ptr<const MappedFile>& file, std::string name, DType dtype,
                       std::vector<int64_t> shape, uint64_t offset) {
  uint64_t n_bytes = 0;
  if (!tensor_bytes(dtype, shape, &n_bytes)) {
    fail(ErrorCode::kCorruptData, "{}: tensor '{}': {} of shape {} cannot be", file->path(),
         printable(name), to_string(dtype), shape_text(shape));
  }
  if (offset > file->size() || n_bytes > file->size() - offset) {
    fail(ErrorCode::kCorruptData, "{}: tensor '{}': {} bytes at {}, but the file has {}",
         file->path(), printable(name), n_bytes, offset, file->size());
  }
  TensorView tensor{std::move(name), dtype, std::move(shape), nullptr, n_bytes, nullptr};
  const std::byte* source = file->data() + offset;
  const auto alignment = is_block_type(dtype) ? 2 : static_cast<uint64_t>(block_bytes(dtype));
  if (reinterpret_cast<uintptr_t>(source) % alignment == 0) {
    tensor.data = source;
    tensor.owner = file;
    return tensor;
  }
  const std::shared_ptr<std::byte[]> copy = allocate_tensor(n_bytes);
  if (n_bytes > 0) std::memcpy(copy.get(), source, n_bytes);
  tensor.data = copy.get();
  tensor.owner = copy;
  return tensor;
}

}  // namespace weir::io
