#include "weir/io/dequantize.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "weir/base/error.h"

namespace weir::io {
namespace {

// Block layouts follow ggml's: little-endian, half-precision scales, low bits first.

template <typename T>
T load(const uint8_t* data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

float load_half(const uint8_t* data) { return half_to_float(load<uint16_t>(data)); }

int low(uint8_t byte) { return byte & 15; }
int high(uint8_t byte) { return byte >> 4; }

// d, 16 bytes of two nibbles: element j in the low, j + 16 in the high ones.
void q4_0(const uint8_t* block, float* out) {
  const float d = load_half(block);
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(low(block[2 + j]) - 8) * d;
    out[j + 16] = static_cast<float>(high(block[2 + j]) - 8) * d;
  }
}

// d, m, then as Q4_0.
void q4_1(const uint8_t* block, float* out) {
  const float d = load_half(block);
  const float m = load_half(block + 2);
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(low(block[4 + j])) * d + m;
    out[j + 16] = static_cast<float>(high(block[4 + j])) * d + m;
  }
}

// d, 32 fifth bits, 16 bytes of two nibbles.
void q5_0(const uint8_t* block, float* out) {
  const float d = load_half(block);
  const auto fifth = load<uint32_t>(block + 2);
  for (int j = 0; j < 16; ++j) {
    const int first = low(block[6 + j]) | static_cast<int>((fifth >> j) & 1) << 4;
    const int second = high(block[6 + j]) | static_cast<int>((fifth >> (j + 16)) & 1) << 4;
    out[j] = static_cast<float>(first - 16) * d;
    out[j + 16] = static_cast<float>(second - 16) * d;
  }
}

// d, m, 32 fifth bits, 16 bytes of two nibbles.
void q5_1(const uint8_t* block, float* out) {
  const float d = load_half(block);
  const float m = load_half(block + 2);
  const auto fifth = load<uint32_t>(block + 4);
  for (int j = 0; j < 16; ++j) {
    const int first = low(block[8 + j]) | static_cast<int>((fifth >> j) & 1) << 4;
    const int second = high(block[8 + j]) | static_cast<int>((fifth >> (j + 16)) & 1) << 4;
    out[j] = static_cast<float>(first) * d + m;
    out[j + 16] = static_cast<float>(second) * d + m;
  }
}

// d, 32 signed bytes.
void q8_0(const uint8_t* block, float* out) {
  const float d = load_half(block);
  for (int j = 0; j < 32; ++j) {
    out[j] = static_cast<float>(static_cast<int8_t>(block[2 + j])) * d;
  }
}

// 16 bytes of (scale, minimum) nibbles, 64 bytes of four 2-bit values, d, dmin. Each half of 128
// elements takes 32 bytes; bit pair j of them holds elements 32 j .. 32 j + 31.
void q2_k(const uint8_t* block, float* out) {
  const uint8_t* scales = block;
  const uint8_t* quants = block + 16;
  const float d = load_half(block + 80);
  const float dmin = load_half(block + 82);
  for (int i = 0; i < 256; ++i) {
    const uint8_t scale = scales[i / 16];
    const int quant = (quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const float step = d * static_cast<float>(low(scale));
    out[i] = step * static_cast<float>(quant) - dmin * static_cast<float>(high(scale));
  }
}

// 32 bytes of third bits, 64 bytes of two low bits as in Q2_K, 12 bytes of 16 6-bit scales, d.
void q3_k(const uint8_t* block, float* out) {
  const uint8_t* third = block;
  const uint8_t* quants = block + 32;
  const uint8_t* packed = block + 96;
  const float d = load_half(block + 108);
  float steps[16];
  for (int i = 0; i < 16; ++i) {
    const int low_bits = i < 8 ? low(packed[i]) : high(packed[i - 8]);
    const int high_bits = (packed[8 + i % 4] >> (i / 4 * 2)) & 3;
    steps[i] = d * static_cast<float>((low_bits | high_bits << 4) - 32);
  }
  for (int i = 0; i < 256; ++i) {
    const int quant = (quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const int has_third = (third[i % 32] >> (i / 32)) & 1;
    out[i] = steps[i / 16] * static_cast<float>(quant - (has_third == 1 ? 0 : 4));
  }
}

struct ScaleAndMinimum {
  float scale;
  float minimum;
};

// The 6-bit scales and minima of the 8 sub-blocks of Q4_K and Q5_K, in 12 bytes.
ScaleAndMinimum k4_scale(const uint8_t* packed, int i) {
  if (i < 4) {
    return {static_cast<float>(packed[i] & 63), static_cast<float>(packed[i + 4] & 63)};
  }
  const int scale = low(packed[i + 4]) | (packed[i - 4] >> 6) << 4;
  const int minimum = high(packed[i + 4]) | (packed[i] >> 6) << 4;
  return {static_cast<float>(scale), static_cast<float>(minimum)};
}

// d, dmin, 12 bytes of scales, 128 bytes of two nibbles: 32 bytes hold 32 elements in their low and
// the next 32 in their high nibbles.
void q4_k(const uint8_t* block, float* out) {
  const float d = load_half(block);
  const float dmin = load_half(block + 2);
  for (int i = 0; i < 8; ++i) {
    const ScaleAndMinimum sub = k4_scale(block + 4, i);
    const float step = d * sub.scale;
    const float offset = dmin * sub.minimum;
    const uint8_t* quants = block + 16 + i / 2 * 32;
    for (int j = 0; j < 32; ++j) {
      const int quant = i % 2 == 0 ? low(quants[j]) : high(quants[j]);
      out[i * 32 + j] = step * static_cast<float>(quant) - offset;
    }
  }
}

// As Q4_K with 32 bytes of fifth bits (bit i for sub-block i) before the nibbles.
void q5_k(const uint8_t* block, float* out) {
  const float d = load_half(block);
  const float dmin = load_half(block + 2);
  const uint8_t* fifth = block + 16;
  for (int i = 0; i < 8; ++i) {
    const ScaleAndMinimum sub = k4_scale(block + 4, i);
    const float step = d * sub.scale;
    const float offset = dmin * sub.minimum;
    const uint8_t* quants = block + 48 + i / 2 * 32;
    for (int j = 0; j < 32; ++j) {
      const int nibble = i % 2 == 0 ? low(quants[j]) : high(quants[j]);
      const int quant = nibble | ((fifth[j] >> i) & 1) << 4;
      out[i * 32 + j] = step * static_cast<float>(quant) - offset;
    }
  }
}

// 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 signed scales, d. In each half of 128
// elements quarter j takes byte l + 32 (j % 2) of the nibbles and bit pair j of byte l.
void q6_k(const uint8_t* block, float* out) {
  const float d = load_half(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int quarter = i % 128 / 32;
    const int l = i % 32;
    const uint8_t nibbles = block[half * 64 + quarter % 2 * 32 + l];
    const int upper = (block[128 + half * 32 + l] >> (quarter * 2)) & 3;
    const int quant = (quarter < 2 ? low(nibbles) : high(nibbles)) | upper << 4;
    const auto scale = static_cast<float>(static_cast<int8_t>(block[192 + i / 16]));
    out[i] = d * scale * static_cast<float>(quant - 32);
  }
}

template <typename T>
void plain(const uint8_t* data, int64_t n_elements, float* out) {
  for (int64_t i = 0; i < n_elements; ++i) {
    out[i] = static_cast<float>(load<T>(data + i * static_cast<int64_t>(sizeof(T))));
  }
}

template <typename T, float (*kConvert)(T)>
void small_floats(const uint8_t* data, int64_t n_elements, float* out) {
  for (int64_t i = 0; i < n_elements; ++i) {
    out[i] = kConvert(load<T>(data + i * static_cast<int64_t>(sizeof(T))));
  }
}

void plain_type(DType dtype, const uint8_t* data, int64_t n_elements, float* out) {
  switch (dtype) {
    case DType::kF64:
      return plain<double>(data, n_elements, out);
    case DType::kF32:
      return plain<float>(data, n_elements, out);
    case DType::kF16:
      return small_floats<uint16_t, half_to_float>(data, n_elements, out);
    case DType::kBF16:
      return small_floats<uint16_t, bfloat16_to_float>(data, n_elements, out);
    case DType::kF8E4M3:
      return small_floats<uint8_t, e4m3_to_float>(data, n_elements, out);
    case DType::kF8E5M2:
      return small_floats<uint8_t, e5m2_to_float>(data, n_elements, out);
    case DType::kI64:
      return plain<int64_t>(data, n_elements, out);
    case DType::kI32:
      return plain<int32_t>(data, n_elements, out);
    case DType::kI16:
      return plain<int16_t>(data, n_elements, out);
    case DType::kI8:
      return plain<int8_t>(data, n_elements, out);
    case DType::kU64:
      return plain<uint64_t>(data, n_elements, out);
    case DType::kU32:
      return plain<uint32_t>(data, n_elements, out);
    case DType::kU16:
      return plain<uint16_t>(data, n_elements, out);
    case DType::kU8:
      return plain<uint8_t>(data, n_elements, out);
    case DType::kBool:
      for (int64_t i = 0; i < n_elements; ++i) out[i] = data[i] != 0 ? 1.0F : 0.0F;
      return;
    default:
      break;
  }
  fail(ErrorCode::kInternal, "dequantize: no rule for {}", to_string(dtype));
}

using BlockFunction = void (*)(const uint8_t* block, float* out);

/// The rule of a block type; nullptr for plain types.
BlockFunction block_function(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0:
      return q4_0;
    case DType::kQ4_1:
      return q4_1;
    case DType::kQ5_0:
      return q5_0;
    case DType::kQ5_1:
      return q5_1;
    case DType::kQ8_0:
      return q8_0;
    case DType::kQ2_K:
      return q2_k;
    case DType::kQ3_K:
      return q3_k;
    case DType::kQ4_K:
      return q4_k;
    case DType::kQ5_K:
      return q5_k;
    case DType::kQ6_K:
      return q6_k;
    default:
      return nullptr;
  }
}

}  // namespace

float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 31;
  const uint32_t fraction = bits & 0x3ff;
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide_exponent = exponent == 31 ? 255 : exponent + 112;
  const uint32_t wide = sign | wide_exponent << 23 | fraction << 13;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

float bfloat16_to_float(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

float e4m3_to_float(uint8_t bits) {
  const int exponent = (bits >> 3) & 15;
  const int fraction = bits & 7;
  if (exponent == 15 && fraction == 7) return std::numeric_limits<float>::quiet_NaN();
  const float magnitude = exponent == 0
                              ? std::ldexp(static_cast<float>(fraction), -9)
                              : std::ldexp(static_cast<float>(8 + fraction), exponent - 10);
  return (bits & 0x80) != 0 ? -magnitude : magnitude;
}

float e5m2_to_float(uint8_t bits) { return half_to_float(static_cast<uint16_t>(bits << 8)); }

void dequantize(DType dtype, const std::byte* blocks, int64_t n_elements, float* out) {
  const int64_t per_block = block_elements(dtype);
  require(n_elements >= 0 && n_elements % per_block == 0,
          "dequantize: expected a multiple of {} elements for {}, got {}", per_block,
          to_string(dtype), n_elements);
  const auto* data = reinterpret_cast<const uint8_t*>(blocks);
  const BlockFunction convert = block_function(dtype);
  if (convert == nullptr) return plain_type(dtype, data, n_elements, out);
  for (int64_t i = 0; i < n_elements / per_block; ++i) {
    convert(data + i * block_bytes(dtype), out + i * per_block);
  }
}

}  // namespace weir::io
