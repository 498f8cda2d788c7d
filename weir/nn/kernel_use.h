#pragma once

#include <initializer_list>

#include <ATen/core/Tensor.h>

namespace weir {

/// True when an operation on these tensors may run on weir/tensor/kernels: all of them (undefined
/// ones aside) are contiguous float32 on the CPU and none needs a graph.
bool runs_on_kernels(std::initializer_list<at::Tensor> tensors);

}  // namespace weir
