#include "weir/nn/activation.h"

#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/error.h"
#include "weir/nn/kernel_use.h"
#include "weir/tensor/half_precision.h"
#include "weir/tensor/hand_gradient.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir {
namespace {

std::optional<kernels::GateKind> gate_kind(Activation activation) {
  if (activation == Activation::kSilu) return kernels::GateKind::kSilu;
  if (activation == Activation::kGeluTanh) return kernels::GateKind::kGeluTanh;
  return std::nullopt;
}

constexpr int64_t kWorthAThread = 1 << 14;  // Elements

at::Tensor gated_by_kernel(const at::Tensor& gate, const at::Tensor& up, kernels::GateKind kind) {
  at::Tensor out = at::empty_like(gate);
  const float* factors = up.defined() ? up.data_ptr<float>() : nullptr;
  at::parallel_for(0, gate.numel(), kWorthAThread, [&](int64_t begin, int64_t end) {
    kernels::best().gated(gate.data_ptr<float>() + begin,
                          factors == nullptr ? nullptr : factors + begin, end - begin, kind,
                          out.data_ptr<float>() + begin);
  });
  return out;
}

// Gradients with respect to gate and, unless it is undefined, up.
std::vector<at::Tensor> gated_gradient(const at::Tensor& gate, const at::Tensor& up,
                                       kernels::GateKind kind, const at::Tensor& dy) {
  at::Tensor dgate = at::empty_like(gate);
  at::Tensor dup = up.defined() ? at::empty_like(up) : at::Tensor();
  at::parallel_for(0, gate.numel(), kWorthAThread, [&](int64_t begin, int64_t end) {
    kernels::GatedGradientTask task;
    task.gate = gate.data_ptr<float>() + begin;
    task.dy = dy.data_ptr<float>() + begin;
    task.n = end - begin;
    task.kind = kind;
    task.dgate = dgate.data_ptr<float>() + begin;
    if (up.defined()) {
      task.up = up.data_ptr<float>() + begin;
      task.dup = dup.data_ptr<float>() + begin;
    }
    kernels::best().gated_gradient(task);
  });
  if (!up.defined()) return {dgate};
  return {dgate, dup};
}

at::Tensor composed_activation(const at::Tensor& x, Activation activation) {
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

// act(gate), times up unless that is undefined.
at::Tensor opened(const at::Tensor& gate, const at::Tensor& up, Activation activation) {
  if (needs_widening(gate)) {
    return opened(widened(gate), widened(up), activation).to(gate.scalar_type());
  }
  const auto composed = [activation](const std::vector<at::Tensor>& inputs) {
    const at::Tensor open = composed_activation(inputs[0], activation);
    return inputs.size() > 1 ? open * inputs[1] : open;
  };
  std::vector<at::Tensor> inputs = {gate};
  if (up.defined()) inputs.push_back(up);
  const auto kind = gate_kind(activation);
  if (!kind || !suits_kernels({gate, up})) return composed(inputs);
  if (!needs_graph({gate, up})) return gated_by_kernel(gate, up, *kind);
  const auto factor = [](const auto& given) { return given.size() > 1 ? given[1] : at::Tensor(); };
  HandGradient operation;
  operation.forward = [=](const auto& given) {
    return gated_by_kernel(given[0], factor(given), *kind);
  };
  operation.backward = [=](const auto& given, const at::Tensor& dy, const auto&) {
    return gated_gradient(given[0], factor(given), *kind, dy.contiguous());
  };
  operation.composed = composed;
  return with_gradient(inputs, std::move(operation));
}

}  // namespace

at::Tensor activate(const at::Tensor& x, Activation activation) {
  return opened(x, {}, activation);
}

at::Tensor gated(const at::Tensor& gate, const at::Tensor& up, Activation activation) {
  return opened(gate, up, activation);
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
