#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

/// Bounds on gradients, as torch.nn.utils has them. Undefined gradients are skipped. A tensor that
/// stands in the list twice counts twice: tied parameters are given once.
namespace weir {

/// The `order`-norm of all gradients together (2 unless said; infinity: the largest magnitude), in
/// float64.
double gradient_norm(const std::vector<at::Tensor>& gradients, double order = 2);

/// Scales gradients in place so that their common norm is at most about `most` (factor
/// most / (norm + 1e-6), where that is below 1); returns the norm before. A norm that is not finite
/// leaves them as they are.
double clip_gradients(const std::vector<at::Tensor>& gradients, double most, double order = 2);

/// Limits every entry to [-most, most], in place.
void clip_gradient_values(const std::vector<at::Tensor>& gradients, double most);

}  // namespace weir
