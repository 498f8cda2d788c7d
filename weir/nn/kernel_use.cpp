#include "weir/nn/kernel_use.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace weir {

bool runs_on_kernels(std::initializer_list<at::Tensor> tensors) {
  const bool graph = at::GradMode::is_enabled();
  return std::all_of(tensors.begin(), tensors.end(), [graph](const at::Tensor& t) {
    return !t.defined() || (t.device().is_cpu() && t.scalar_type() == at::kFloat &&
                            t.is_contiguous() && t.numel() > 0 && !(graph && t.requires_grad()));
  });
}

}  // namespace weir
