#include "weir/train/clip.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir {
namespace {

// What torch adds to the norm before it divides.
constexpr double kClipEpsilon = 1e-6;
// Summed in float32 at once; the stretches in float64, in order: the same on any threads.
constexpr int64_t kStretch = 1 << 12;

double sum_of_squares(const at::Tensor& gradient) {
  const bool is_plain = gradient.device().is_cpu() && gradient.scalar_type() == at::kFloat &&
                        gradient.is_non_overlapping_and_dense();
  if (!is_plain) return gradient.to(at::kDouble).square().sum().item<double>();
  const auto* values = gradient.data_ptr<float>();
  const int64_t n = gradient.numel(), n_stretches = (n + kStretch - 1) / kStretch;
  std::vector<double> sums(n_stretches);
  at::parallel_for(0, n_stretches, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* part = values + i * kStretch;
      sums[i] = kernels::best().dot(part, part, std::min(kStretch, n - i * kStretch));
    }
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

}  // namespace

double gradient_norm(const std::vector<at::Tensor>& gradients, double order) {
  require(order >= 1, "gradient norm: expected an order of 1 or more, got {}", order);
  const at::NoGradGuard no_grad;
  double sum = 0, largest = 0;
  for (const at::Tensor& gradient : gradients) {
    if (!gradient.defined() || gradient.numel() == 0) continue;
    if (order == 2) {
      sum += sum_of_squares(gradient);
    } else if (std::isinf(order)) {
      const double here = gradient.abs().max().item<double>();
      if (!(here <= largest)) largest = here;  // NaN stays.
    } else {
      sum += gradient.to(at::kDouble).abs().pow(order).sum().item<double>();
    }
  }
  return std::isinf(order) ? largest : std::pow(sum, 1 / order);
}

double clip_gradients(const std::vector<at::Tensor>& gradients, double most, double order) {
  const at::NoGradGuard no_grad;
  const double norm = gradient_norm(gradients, order);
  const double factor = most / (norm + kClipEpsilon);
  if (std::isfinite(norm) && factor < 1) {
    for (at::Tensor gradient : gradients) {
      if (gradient.defined()) gradient.mul_(factor);
    }
  }
  return norm;
}

void clip_gradient_values(const std::vector<at::Tensor>& gradients, double most) {
  const at::NoGradGuard no_grad;
  for (at::Tensor gradient : gradients) {
    if (gradient.defined()) gradient.clamp_(-most, most);
  }
}

}  // namespace weir
