#pragma once

#include <functional>
#include <initializer_list>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weir {

/// True when a graph is being built and one of the tensors (some may be undefined) wants gradients.
bool needs_graph(std::initializer_list<at::Tensor> tensors);

/// An operation whose gradient is written by hand, for speed and memory: backward recomputes what
/// it needs from the inputs instead of keeping it. The functions may be called from any thread.
struct HandGradient {
  using Tensors = std::vector<at::Tensor>;
  std::function<at::Tensor(const Tensors& inputs)> forward;
  /// d loss / d inputs[i] for every i with wanted[i] (the others may stay undefined), from
  /// `gradient` = d loss / d output. Runs without a graph.
  std::function<Tensors(const Tensors& inputs, const at::Tensor& gradient,
                        const std::vector<bool>& wanted)>
      backward;
  /// The same output made of ATen's operations: second derivatives go through it.
  std::function<at::Tensor(const Tensors& inputs)> composed;
};

/// operation.forward(inputs) as a node of the graph. Inputs are all defined.
at::Tensor with_gradient(const std::vector<at::Tensor>& inputs, HandGradient operation);

}  // namespace weir
