#pragma once

#include <ATen/core/Tensor.h>

namespace weir {

/// [F], float32: of each row of `rows` [F, D], the largest cosine with another row. In blocks:
/// never [F, F]. NaN for a row of zeros.
at::Tensor max_cosine(const at::Tensor& rows);

/// [F], float64: cosine of row i of `a` with row i of `b` (both [F, D]).
at::Tensor row_cosines(const at::Tensor& a, const at::Tensor& b);

}  // namespace weir
