#pragma once

#include <ATen/core/Tensor.h>

/// Decoder directions of norm 1, so that latents cannot shrink to escape a penalty.
namespace weir {

/// Each row of W_dec [F, d] divided by its norm, in place; a row of zeros stays.
void make_rows_unit(const at::Tensor& rows);
/// Takes from each row of `gradient` what lies along that row of `rows`, in place.
void remove_parallel_part(const at::Tensor& gradient, const at::Tensor& rows);

}  // namespace weir
