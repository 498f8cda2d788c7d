#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "Weir maps little-endian files into memory as they are");

namespace weir::io {

/// The little-endian number at `place`; the caller has checked that it lies within `bytes`.
template <typename Number>
Number load(std::string_view bytes, uint64_t place) {
  Number value;
  std::memcpy(&value, bytes.data() + place, sizeof(value));
  return value;
}

/// Appends a number in little-endian form.
template <typename Number>
void store(std::string* bytes, Number value) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace weir::io
