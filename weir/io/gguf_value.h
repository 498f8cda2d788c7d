#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::io {

/// Value types of GGUF metadata, numbered as in the file.
enum class GgufType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

/// "u8", "string", "array", ...
std::string_view to_string(GgufType type);

/// An array of metadata values. Exactly one of the three stores is in use: `data` for numbers and
/// bools (little-endian, packed, in the mapping, perhaps unaligned), `strings`, or `arrays`.
struct GgufArray {
  GgufType type = GgufType::kU8;  ///< Of the elements.
  uint64_t size = 0;
  const std::byte* data = nullptr;
  std::vector<std::string_view> strings;
  std::vector<GgufArray> arrays;
};

/// One metadata value. Integers are widened to 64 bits and floats to double; `type` says what the
/// file holds.
struct GgufValue {
  GgufType type = GgufType::kU8;
  std::variant<uint64_t, int64_t, double, bool, std::string_view, GgufArray> value;
};

/// Bytes of one number or bool; 0 for strings and arrays.
uint64_t scalar_bytes(GgufType type);
/// A number or bool out of `scalar_bytes(type)` bytes of a file.
GgufValue load_scalar(GgufType type, const std::byte* data);

/// What a value is when asked for as one type; empty when it does not fit. Integers of any width
/// answer to every integer and float form that can hold them, bools also to `as_int`.
std::optional<std::string_view> as_string(const GgufValue& value);
std::optional<uint64_t> as_u64(const GgufValue& value);
std::optional<int64_t> as_int(const GgufValue& value);
std::optional<double> as_double(const GgufValue& value);
std::optional<bool> as_bool(const GgufValue& value);
std::optional<std::vector<std::string_view>> as_string_array(const GgufValue& value);
std::optional<std::vector<float>> as_float_array(const GgufValue& value);
std::optional<std::vector<int64_t>> as_int_array(const GgufValue& value);

}  // namespace weir::io
