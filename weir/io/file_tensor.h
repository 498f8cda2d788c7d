#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/io/mapped_file.h"
#include "weir/io/tensor_view.h"

namespace weir::io {

/// "[3, 4]", for messages.
std::string shape_text(const std::vector<int64_t>& shape);

/// A tensor whose bytes start at `offset` of the file; its size follows from dtype and shape.
/// Points into the file, unless the offset is not a multiple of the element size: then the bytes
/// are copied once, so that `data` is always aligned. kCorruptData when they do not lie within
/// the file.
TensorView file_tensor(const std::shared_ptr<const MappedFile>& file, std::string name, DType dtype,
                       std::vector<int64_t> shape, uint64_t offset);

/// Memory of its own for a tensor that cannot be a view; aligned for every element type.
std::shared_ptr<std::byte[]> allocate_tensor(uint64_t n_bytes);

}  // namespace weir::io
