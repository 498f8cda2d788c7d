#pragma once

#include <string_view>

#include <ATen/core/Tensor.h>

namespace weir {

enum class Activation { kRelu, kGeluExact, kGeluTanh, kQuickGelu, kSilu };

at::Tensor activate(const at::Tensor& x, Activation activation);

/// act(gate) * up: the middle of a gated MLP. Both of one shape.
at::Tensor gated(const at::Tensor& gate, const at::Tensor& up, Activation activation);

/// From the names of Hugging Face configs ("gelu_new", "silu", ...); kUnsupported lists the known.
Activation parse_activation(std::string_view name);

}  // namespace weir
