#include "weir/tensor/half_precision.h"

#include <ATen/ATen.h>

namespace weir {

bool is_half(at::ScalarType type) { return type == at::kBFloat16 || type == at::kHalf; }

bool needs_widening(const at::Tensor& x) {
  return x.defined() && x.device().is_cpu() && is_half(x.scalar_type());
}

at::Tensor widened(const at::Tensor& x) {
  return x.defined() && is_half(x.scalar_type()) ? x.to(at::kFloat) : x;
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  if (!needs_widening(a) && !needs_widening(b)) return at::matmul(a, b);
  return at::matmul(widened(a), widened(b)).to(a.scalar_type());
}

at::Tensor contraction(const std::string& equation, const at::Tensor& a, const at::Tensor& b) {
  if (!needs_widening(a) && !needs_widening(b)) return at::einsum(equation, {a, b});
  return at::einsum(equation, {widened(a), widened(b)}).to(a.scalar_type());
}

}  // namespace weir
