#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weir/io/tensor_view.h"

namespace weir::io {

/// More than any real array needs; numpy itself stops at 10 000.
constexpr uint64_t kMaxNpyHeaderBytes = 1 << 16;

struct NpyHeader {
  DType dtype = DType::kF32;
  bool is_fortran = false;
  std::vector<int64_t> shape;
  uint64_t n_bytes = 0;      ///< Of the data.
  uint64_t data_offset = 0;  ///< From the first byte of the array file.
};

/// Reads the head of an array file: magic, version and a Python dictionary such as
/// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. `what` names it in messages.
NpyHeader parse_npy_header(std::string_view bytes, std::string_view what);

/// The same for a tensor, padded so that data follows at a multiple of 64.
std::string npy_header_text(const TensorView& tensor);

}  // namespace weir::io
