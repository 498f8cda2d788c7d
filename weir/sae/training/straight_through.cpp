#include "weir/sae/training/straight_through.h"

#include <ATen/ATen.h>

#include "weir/tensor/hand_gradient.h"

namespace weir {
namespace {

using Tensors = HandGradient::Tensors;

// slope * rect((pre - threshold) / bandwidth) / bandwidth * gradient, in the direction of pre.
at::Tensor window(const Tensors& inputs, const at::Tensor& gradient, double bandwidth) {
  const at::Tensor inside = ((inputs[0] - inputs[1]) / bandwidth).abs() < 0.5;
  return inside.to(gradient.scalar_type()) * gradient / bandwidth;
}

at::Tensor gate(const Tensors& inputs) {
  return (inputs[0] > inputs[1]).to(inputs[0].scalar_type());
}

}  // namespace

at::Tensor jump_relu(const at::Tensor& pre, const at::Tensor& threshold, double bandwidth,
                     bool reaches_input) {
  HandGradient operation;
  operation.forward = [](const Tensors& inputs) { return inputs[0] * gate(inputs); };
  operation.composed = operation.forward;
  operation.backward = [=](const Tensors& inputs, const at::Tensor& gradient,
                           const std::vector<bool>&) -> Tensors {
    const at::Tensor moved = window(inputs, gradient, bandwidth) * inputs[1];
    at::Tensor to_pre = gradient * gate(inputs);
    if (reaches_input) to_pre = to_pre + moved;
    return {to_pre, -moved.sum(0)};
  };
  return with_gradient({pre, threshold}, operation);
}

at::Tensor step_function(const at::Tensor& pre, const at::Tensor& threshold, double bandwidth,
                         bool reaches_input) {
  HandGradient operation;
  operation.forward = gate;
  operation.composed = gate;
  operation.backward = [=](const Tensors& inputs, const at::Tensor& gradient,
                           const std::vector<bool>&) -> Tensors {
    const at::Tensor moved = window(inputs, gradient, bandwidth);
    return {reaches_input ? moved : at::zeros_like(moved), -moved.sum(0)};
  };
  return with_gradient({pre, threshold}, operation);
}

}  // namespace weir
