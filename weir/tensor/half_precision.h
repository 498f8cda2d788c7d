#pragma once

#include <string>

#include <ATen/core/Tensor.h>

/// bfloat16 and float16 are forms of storage: on the CPU every sum of products runs in float32,
/// whatever instructions the CPU has, and is rounded once, where the result is handed out.
/// (LibTorch sums in bfloat16 itself where oneDNN has no instructions for it.) A GPU sums in
/// float32 anyway.
namespace weir {

bool is_half(at::ScalarType type);
/// True for half types on the CPU: what must be widened before it is multiplied.
bool needs_widening(const at::Tensor& x);
/// Half types in float32, others as they are. Gradients flow back in the type of x.
at::Tensor widened(const at::Tensor& x);

/// at::matmul(a, b), in a's type.
at::Tensor product(const at::Tensor& a, const at::Tensor& b);
/// at::einsum over two tensors, in a's type.
at::Tensor contraction(const std::string& equation, const at::Tensor& a, const at::Tensor& b);

}  // namespace weir
