#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "weir/base/error.h"
#include "weir/io/mapped_file.h"
#include "weir/io/tensor_view.h"

namespace weir::fuzz {

/// Hands the bytes to `parse`. Whatever they are, it returns or throws kCorruptData or
/// kUnsupported; any other exception ends the fuzzer with a finding.
template <typename Parse>
int parse_or_refuse(const uint8_t* data, size_t size, const Parse& parse) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  try {
    parse(io::MappedFile::from_bytes({bytes, bytes + size}, "fuzz"));
  } catch (const Error& error) {
    const bool is_refusal =
        error.code() == ErrorCode::kCorruptData || error.code() == ErrorCode::kUnsupported;
    if (!is_refusal) throw;
  }
  return 0;
}

/// Reads every byte of every tensor, so that the sanitizer sees one outside its memory.
inline void touch(const io::TensorMap& map) {
  for (const io::TensorView& tensor : map.tensors) {
    uint8_t sum = 0;
    for (uint64_t i = 0; i < tensor.n_bytes; ++i) sum ^= static_cast<uint8_t>(tensor.data[i]);
    [[maybe_unused]] const volatile uint8_t seen = sum;
  }
}

}  // namespace weir::fuzz
