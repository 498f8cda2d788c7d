#include "weir/nn/activation.h"

#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/error.h"
#include "weir/nn/kernel_use.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir {
namespace {

std::optional<kernels::GateKind> gate_kind(Activation activation) {
  if (activation == Activation::kSilu) return kernels::GateKind::kSilu;
  if (activation == Activation::kGeluTanh) return kernels::GateKind::kGeluTanh;
  return std::nullopt;
}

at::Tensor gated_by_kernel(const at::Tensor& gate, const at::Tensor& up, kernels::GateKind kind) {
  constexpr int64_t kWorthAThread = 1 << 14;  // Elements
  at::Tensor out = at::empty_like(gate);
  const float* factors = up.defined() ? up.data_ptr<float>() : nullptr;
  at::parallel_for(0, gate.numel(), kWorthAThread, [&](int64_t begin, int64_t end) {
    kernels::best().gated(gate.data_ptr<float>() + begin,
                          factors == nullptr ? nullptr : factors + begin, end - begin, kind,
                          out.data_ptr<float>() + begin);
  });
  return out;
}

}  // namespace

at::Tensor activate(const at::Tensor& x, Activation activation) {
  if (const auto kind = gate_kind(activation); kind && runs_on_kernels({x})) {
    return gated_by_kernel(x, {}, *kind);
  }
  switch (activation) {
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kGeluExact:
      return at::gelu(x, "none");
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kQuickGelu:
      return x * at::sigmoid(1.702 * x);
    case Activation::kSilu:
      return at::silu(x);
  }
  fail(ErrorCode::kInternal, "activation: unknown kind");
}

at::Tensor gated(const at::Tensor& gate, const at::Tensor& up, Activation activation) {
  if (const auto kind = gate_kind(activation); kind && runs_on_kernels({gate, up})) {
    return gated_by_kernel(gate, up, *kind);
  }
  return activate(gate, activation) * up;
}

Activation parse_activation(std::string_view name) {
  if (name == "relu") return Activation::kRelu;
  if (name == "gelu") return Activation::kGeluExact;
  if (name == "gelu_new" || name == "gelu_fast" || name == "gelu_pytorch_tanh") {
    return Activation::kGeluTanh;
  }
  if (name == "quick_gelu") return Activation::kQuickGelu;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  fail(ErrorCode::kUnsupported,
       "config: activation '{}' is not one of relu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, "
       "quick_gelu, silu, swish",
       name);
}

}  // namespace weir
