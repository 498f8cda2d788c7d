#pragma once

#include <ATen/core/Tensor.h>

namespace weir {

/// Pearson's correlation of all entries, in float64; NaN where one side is constant.
/// kInvalidArgument unless both have as many entries, at least two.
double pearson(const at::Tensor& a, const at::Tensor& b);
/// Spearman's: that of ranks; ties take their mean rank.
double spearman(const at::Tensor& a, const at::Tensor& b);

}  // namespace weir
