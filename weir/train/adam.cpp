#include "weir/train/adam.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "weir/tensor/kernels/kernels.h"

namespace weir {
namespace {

constexpr int64_t kWorthAThread = 1 << 14;  // Elements

struct Corrections {
  double step;  // rate / (1 - b1^t)
  double root;  // 1 / sqrt(1 - b2^t)
};

Corrections corrections(const AdamStep& of, const AdamOptions& options) {
  const auto n = static_cast<double>(of.count);
  return {of.rate / (1 - std::pow(options.beta1, n)),
          1 / std::sqrt(1 - std::pow(options.beta2, n))};
}

void update_by_operations(const AdamStep& of, const AdamOptions& options) {
  at::Tensor parameter = of.parameter, mean = of.slots[0], square = of.slots[1];
  at::Tensor g = options.maximize ? -of.gradient : of.gradient;
  if (options.decoupled) {
    parameter.mul_(1 - of.rate * of.weight_decay);
  } else if (of.weight_decay != 0) {
    g = g + of.weight_decay * parameter;
  }
  mean.mul_(options.beta1).add_(g, 1 - options.beta1);
  square.mul_(options.beta2).addcmul_(g, g, 1 - options.beta2);
  if (options.amsgrad) of.slots[2].copy_(at::maximum(of.slots[2], square));
  const auto [step, root] = corrections(of, options);
  parameter.addcdiv_(mean, of.slots.back().sqrt().mul_(root).add_(options.eps), -step);
}

// Rows of elements that stand side by side in memory; one row, where all do.
struct Rows {
  int64_t n_rows = 0, n = 0, stride = 0;
};

// Whether all tensors lie in memory as rows in the same order, however far apart those are.
bool find_rows(const at::Tensor& x, Rows* rows) {
  if (x.is_non_overlapping_and_dense()) {
    *rows = {1, x.numel(), 0};
    return true;
  }
  if (x.dim() != 2 || (x.stride(0) != 1 && x.stride(1) != 1)) return false;
  const int64_t fast = x.stride(1) == 1 ? 1 : 0;
  *rows = {x.size(1 - fast), x.size(fast), x.stride(1 - fast)};
  return true;
}

bool is_plain(const at::Tensor& x) { return x.device().is_cpu() && x.scalar_type() == at::kFloat; }

// A tensor of x's values in the order in which `parameter` lies in memory.
at::Tensor laid_out_as(const at::Tensor& x, const at::Tensor& parameter) {
  const at::Tensor dense = at::empty_like(parameter);
  return x.strides() == dense.strides() ? x : dense.copy_(x);
}

void update_in_one_pass(const AdamStep& of, const AdamOptions& options, const Rows& rows) {
  const at::Tensor gradient = laid_out_as(of.gradient, of.parameter);
  kernels::AdamTask task;
  task.sign = options.maximize ? -1 : 1;
  (options.decoupled ? task.shrink : task.pull) =
      static_cast<float>(options.decoupled ? 1 - of.rate * of.weight_decay : of.weight_decay);
  task.mean_kept = static_cast<float>(options.beta1);
  task.mean_taken = static_cast<float>(1 - options.beta1);
  task.square_kept = static_cast<float>(options.beta2);
  task.square_taken = static_cast<float>(1 - options.beta2);
  const auto [step, root] = corrections(of, options);
  task.step = static_cast<float>(step);
  task.root_factor = static_cast<float>(root);
  task.eps = static_cast<float>(options.eps);
  auto* parameter = of.parameter.data_ptr<float>();
  const auto* g = gradient.data_ptr<float>();
  auto* mean = of.slots[0].data_ptr<float>();
  auto* square = of.slots[1].data_ptr<float>();
  auto* largest = options.amsgrad ? of.slots[2].data_ptr<float>() : nullptr;
  // The dense tensors' rows follow each other; the parameter's may be apart.
  at::parallel_for(0, of.parameter.numel(), kWorthAThread, [&](int64_t begin, int64_t end) {
    kernels::AdamTask part = task;
    for (int64_t i = begin; i < end; i += part.n) {
      const int64_t row = i / rows.n, column = i % rows.n;
      part.n = std::min(end - i, rows.n - column);
      part.parameter = parameter + row * rows.stride + column;
      part.gradient = g + i;
      part.mean = mean + i;
      part.square = square + i;
      part.largest = largest == nullptr ? nullptr : largest + i;
      kernels::best().adam(part);
    }
  });
}

}  // namespace

std::vector<std::string> adam_slots(const AdamOptions& options) {
  if (options.amsgrad) return {"mean", "square", "largest_square"};
  return {"mean", "square"};
}

void adam_update(const AdamStep& of, const AdamOptions& options) {
  const at::NoGradGuard no_grad;
  Rows rows;
  if (is_plain(of.parameter) && is_plain(of.gradient) && find_rows(of.parameter, &rows)) {
    update_in_one_pass(of, options, rows);
  } else {
    update_by_operations(of, options);
  }
}

Adam::Adam(std::vector<at::Tensor> parameters, const AdamOptions& options)
    : Optimizer(std::move(parameters), adam_slots(options)), options_(options) {}

void Adam::update(const Update& of) {
  adam_update({of.parameter, of.gradient, of.slots, of.count, of.rate,
               options_.weight_decay * of.decay_factor},
              options_);
}

}  // namespace weir
