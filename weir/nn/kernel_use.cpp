#include "weir/nn/kernel_use.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/tensor/hand_gradient.h"

namespace weir {

bool suits_kernels(std::initializer_list<at::Tensor> tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const at::Tensor& t) {
    return !t.defined() || (t.device().is_cpu() && t.scalar_type() == at::kFloat &&
                            t.is_contiguous() && t.numel() > 0);
  });
}

bool runs_on_kernels(std::initializer_list<at::Tensor> tensors) {
  return suits_kernels(tensors) && !needs_graph(tensors);
}

}  // namespace weir
