#pragma once

#include <initializer_list>

#include <ATen/core/Tensor.h>

namespace weir {

/// True when weir/tensor/kernels can read these tensors: all of them (undefined ones aside) are
/// contiguous float32 on the CPU.
bool suits_kernels(std::initializer_list<at::Tensor> tensors);
/// The same, and none needs a graph.
bool runs_on_kernels(std::initializer_list<at::Tensor> tensors);

}  // namespace weir
