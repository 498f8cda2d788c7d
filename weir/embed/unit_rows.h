#pragma once

#include <ATen/ATen.h>

namespace weir {

/// Rows [n, d] at length 1; rows of zeros stay.
inline at::Tensor unit_rows(const at::Tensor& rows) {
  const at::Tensor length = rows.norm(2, 1, true);
  return rows / at::where(length > 0, length, at::ones_like(length));
}

}  // namespace weir
