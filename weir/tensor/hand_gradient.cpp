#include "weir/tensor/hand_gradient.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace weir {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Held : torch::CustomClassHolder {
  explicit Held(HandGradient given) : operation(std::move(given)) {}
  HandGradient operation;
};

// The gradient as a differentiable function of inputs and `gradient`.
variable_list composed_gradient(const HandGradient& operation, const variable_list& inputs,
                                const at::Tensor& gradient, const std::vector<bool>& wanted) {
  // Views, so that an input computed from another one is not followed back to it.
  variable_list views, asked;
  for (size_t i = 0; i < inputs.size(); ++i) {
    views.push_back(inputs[i].view(inputs[i].sizes()));
    if (wanted[i]) asked.push_back(views.back());
  }
  const variable_list found =
      torch::autograd::grad({operation.composed(views)}, asked, {gradient}, /*retain_graph=*/true,
                            /*create_graph=*/true, /*allow_unused=*/true);
  variable_list all(inputs.size());
  for (size_t i = 0, next = 0; i < inputs.size(); ++i) {
    if (wanted[i]) all[i] = found[next++];
  }
  return all;
}

struct Operation : torch::autograd::Function<Operation> {
  static at::Tensor forward(AutogradContext* context, const c10::intrusive_ptr<Held>& held,
                            const at::TensorList& inputs) {
    const variable_list list = inputs.vec();
    context->saved_data["operation"] = c10::IValue::make_capsule(held);
    context->save_for_backward(list);
    return held->operation.forward(list);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto capsule = context->saved_data["operation"].toCapsule();
    const HandGradient& operation = static_cast<const Held&>(*capsule).operation;
    const variable_list inputs = context->get_saved_variables();
    std::vector<bool> wanted;
    for (size_t i = 0; i < inputs.size(); ++i) wanted.push_back(context->needs_input_grad(i));
    variable_list found = at::GradMode::is_enabled()
                              ? composed_gradient(operation, inputs, gradients[0], wanted)
                              : operation.backward(inputs, gradients[0], wanted);
    found.insert(found.begin(), at::Tensor());  // The operation itself has no gradient.
    return found;
  }
};

}  // namespace

bool needs_graph(std::initializer_list<at::Tensor> tensors) {
  return at::GradMode::is_enabled() &&
         std::any_of(tensors.begin(), tensors.end(),
                     [](const at::Tensor& t) { return t.defined() && t.requires_grad(); });
}

at::Tensor with_gradient(const std::vector<at::Tensor>& inputs, HandGradient operation) {
  const auto held = c10::make_intrusive<Held>(std::move(operation));
  const at::TensorList list = inputs;
  return Operation::apply(held, list);
}

}  // namespace weir
