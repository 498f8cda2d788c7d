#pragma once

#include <ATen/core/Tensor.h>

/// Gates whose slope is a guess: rect(u) = 1 for |u| < 1/2, u = (pre - threshold) / bandwidth
/// (2407.14435). pre [B, F], threshold [F]; differentiable in both.
namespace weir {

/// pre where pre > threshold, else 0. Slope in pre: 1 where open; in the threshold:
/// -threshold / bandwidth rect(u), summed over the batch. `reaches_input`: the negative of that
/// also goes to pre.
at::Tensor jump_relu(const at::Tensor& pre, const at::Tensor& threshold, double bandwidth,
                     bool reaches_input = false);
/// 1 where pre > threshold, else 0. Slope in the threshold: -rect(u) / bandwidth; in pre: 0, or the
/// negative of that.
at::Tensor step_function(const at::Tensor& pre, const at::Tensor& threshold, double bandwidth,
                         bool reaches_input = false);

}  // namespace weir
