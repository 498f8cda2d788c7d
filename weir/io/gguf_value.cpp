#include "weir/io/gguf_value.h"

#include <cstring>

#include "weir/base/error.h"

namespace weir::io {
namespace {

template <typename T>
T load(const std::byte* data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

/// The elements of an array of scalars, converted one by one.
template <typename T>
std::optional<std::vector<T>> scalar_array(const GgufValue& value,
                                           std::optional<T> (*convert)(const GgufValue&)) {
  const auto* array = std::get_if<GgufArray>(&value.value);
  if (array == nullptr) return std::nullopt;
  const uint64_t n_bytes = scalar_bytes(array->type);
  if (n_bytes == 0 && array->size > 0) return std::nullopt;
  std::vector<T> result;
  result.reserve(array->size);
  for (uint64_t i = 0; i < array->size; ++i) {
    const std::optional<T> element = convert(load_scalar(array->type, array->data + i * n_bytes));
    if (!element) return std::nullopt;
    result.push_back(*element);
  }
  return result;
}

}  // namespace

std::string_view to_string(GgufType type) {
  constexpr std::string_view kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                         "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<size_t>(type)];
}

uint64_t scalar_bytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      break;
  }
  return 0;
}

GgufValue load_scalar(GgufType type, const std::byte* data) {
  switch (type) {
    case GgufType::kU8:
      return {type, uint64_t{load<uint8_t>(data)}};
    case GgufType::kU16:
      return {type, uint64_t{load<uint16_t>(data)}};
    case GgufType::kU32:
      return {type, uint64_t{load<uint32_t>(data)}};
    case GgufType::kU64:
      return {type, load<uint64_t>(data)};
    case GgufType::kI8:
      return {type, int64_t{load<int8_t>(data)}};
    case GgufType::kI16:
      return {type, int64_t{load<int16_t>(data)}};
    case GgufType::kI32:
      return {type, int64_t{load<int32_t>(data)}};
    case GgufType::kI64:
      return {type, load<int64_t>(data)};
    case GgufType::kF32:
      return {type, double{load<float>(data)}};
    case GgufType::kF64:
      return {type, load<double>(data)};
    case GgufType::kBool:
      return {type, load<uint8_t>(data) != 0};
    case GgufType::kString:
    case GgufType::kArray:
      break;
  }
  fail(ErrorCode::kInternal, "gguf: {} is not a scalar", to_string(type));
}

std::optional<std::string_view> as_string(const GgufValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value.value)) return *text;
  return std::nullopt;
}

std::optional<uint64_t> as_u64(const GgufValue& value) {
  if (const auto* whole = std::get_if<uint64_t>(&value.value)) return *whole;
  const auto* number = std::get_if<int64_t>(&value.value);
  if (number == nullptr || *number < 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

std::optional<int64_t> as_int(const GgufValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value.value)) return *number;
  if (const auto* flag = std::get_if<bool>(&value.value)) return *flag ? 1 : 0;
  const auto* whole = std::get_if<uint64_t>(&value.value);
  if (whole == nullptr || *whole > INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(*whole);
}

std::optional<double> as_double(const GgufValue& value) {
  if (const auto* real = std::get_if<double>(&value.value)) return *real;
  if (const auto* whole = std::get_if<uint64_t>(&value.value)) return static_cast<double>(*whole);
  if (const auto* number = std::get_if<int64_t>(&value.value)) return static_cast<double>(*number);
  return std::nullopt;
}

std::optional<bool> as_bool(const GgufValue& value) {
  if (const auto* flag = std::get_if<bool>(&value.value)) return *flag;
  return std::nullopt;
}

std::optional<std::vector<std::string_view>> as_string_array(const GgufValue& value) {
  const auto* array = std::get_if<GgufArray>(&value.value);
  if (array == nullptr) return std::nullopt;
  if (array->type != GgufType::kString && array->size > 0) return std::nullopt;
  return array->strings;
}

std::optional<std::vector<float>> as_float_array(const GgufValue& value) {
  return scalar_array<float>(value, [](const GgufValue& element) -> std::optional<float> {
    const std::optional<double> number = as_double(element);
    if (!number) return std::nullopt;
    return static_cast<float>(*number);
  });
}

std::optional<std::vector<int64_t>> as_int_array(const GgufValue& value) {
  return scalar_array<int64_t>(value, as_int);
}

}  // namespace weir::io
