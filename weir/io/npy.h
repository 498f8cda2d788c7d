#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "weir/io/mapped_file.h"
#include "weir/io/tensor_view.h"

/// numpy's array files. Read: format 1 to 3, little-endian bool, integers, f2, f4, f8, C and
/// Fortran order (the latter is copied to C order). Pickled objects are refused, nothing in a
/// file is executed. Big-endian, complex, text and record arrays are kUnsupported.
namespace weir::io {

/// One array, called "data".
TensorMap read_npy(const std::filesystem::path& path);
TensorMap parse_npy(const std::shared_ptr<const MappedFile>& file);

/// The arrays of an archive under their names without ".npy". Stored entries are checked against
/// their checksum and used in place when aligned; deflated ones are checked against the size that
/// their header needs before they are expanded.
TensorMap read_npz(const std::filesystem::path& path);
TensorMap parse_npz(const std::shared_ptr<const MappedFile>& file);

/// Writes an uncompressed .npz that numpy and `read_npz` load; atomic. BF16 and F8 have no numpy
/// type: kInvalidArgument.
void write_npz(const std::filesystem::path& path, const std::vector<TensorView>& tensors);

}  // namespace weir::io
