#pragma once

#include <cstddef>
#include <cstdint>

#include "weir/io/tensor_view.h"

namespace weir::io {

/// Turns `n_elements` stored elements into floats, exactly as the GGUF reference does (F64 and wide
/// integers are rounded to float; bools become 0 and 1). `n_elements` must be a multiple of
/// `block_elements(dtype)` (kInvalidArgument otherwise); `blocks` needs no alignment. Plain scalar
/// code on one thread; weir/tensor/kernels has the fast form.
void dequantize(DType dtype, const std::byte* blocks, int64_t n_elements, float* out);

/// IEEE half and bfloat16 as float, exactly. Signalling NaNs stay NaNs.
float half_to_float(uint16_t bits);
float bfloat16_to_float(uint16_t bits);
/// OCP 8-bit floats: E4M3 (no infinities, 0x7f and 0xff are NaN) and E5M2.
float e4m3_to_float(uint8_t bits);
float e5m2_to_float(uint8_t bits);

}  // namespace weir::io
