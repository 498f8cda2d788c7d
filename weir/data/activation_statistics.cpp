#include "weir/data/activation_statistics.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir::data {

void ActivationStatistics::add(const at::Tensor& rows) {
  require(rows.dim() == 2, "statistics of activations: expected rows [n, d], got {} axes",
          rows.dim());
  if (rows.size(0) == 0) return;
  const at::Tensor wide = rows.detach().to(at::kCPU, at::kDouble);
  const at::Tensor square_norms = wide.square().sum(1);
  ActivationStatistics more;
  more.n = rows.size(0);
  more.sum = wide.sum(0);
  more.norm_sum = square_norms.sqrt().sum().item<double>();
  more.square_norm_sum = square_norms.sum().item<double>();
  *this += more;
}

ActivationStatistics& ActivationStatistics::operator+=(const ActivationStatistics& more) {
  if (more.n == 0) return *this;
  sum = n == 0 ? more.sum.clone() : sum + more.sum;
  n += more.n;
  norm_sum += more.norm_sum;
  square_norm_sum += more.square_norm_sum;
  return *this;
}

at::Tensor ActivationStatistics::mean() const {
  require(n > 0, "statistics of activations: no rows were added");
  return sum / static_cast<double>(n);
}

double ActivationStatistics::norm_factor() const {
  return std::sqrt(square_norm_sum / static_cast<double>(n));
}

double ActivationStatistics::norm_scale() const {
  return std::sqrt(static_cast<double>(sum.size(0))) / mean_norm();
}

double ActivationStatistics::offset_ratio() const {
  const double offset = mean().square().sum().item<double>();
  const double spread = square_norm_sum / static_cast<double>(n) - offset;
  return std::sqrt(offset / std::max(spread, 0.0));
}

}  // namespace weir::data
