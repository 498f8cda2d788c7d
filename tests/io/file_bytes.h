#pragma once

#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "weir/io/tensor_view.h"

namespace weir::io {

/// All of a file; fails the test when there is none.
inline std::string file_bytes(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream.good()) << path;
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// "WEIR_GOLDEN_DIR/name".
inline std::string golden_path(const std::string& name) {
  return std::string(WEIR_GOLDEN_DIR) + "/" + name;
}

/// The bytes of a tensor as lower-case hex digits, for comparison with what Python wrote.
inline std::string hex_of(const TensorView& tensor) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (uint64_t i = 0; i < tensor.n_bytes; ++i) {
    const auto byte = static_cast<unsigned>(tensor.data[i]);
    hex += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return hex;
}

}  // namespace weir::io
