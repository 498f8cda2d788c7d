#include "weir/train/divergence.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

namespace weir {
namespace {

constexpr size_t kFewest = 8;  // Losses of which a median says something.

double median(const std::deque<double>& of) {
  std::vector<double> values(of.begin(), of.end());
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::optional<std::string> DivergenceWatch::take(int64_t step, double loss, double gradient_norm) {
  if (!std::isfinite(loss) || !std::isfinite(gradient_norm)) {
    return fmt::format("the {} of update {} is {}", std::isfinite(loss) ? "gradient norm" : "loss",
                       step, std::isfinite(loss) ? gradient_norm : loss);
  }
  if (losses_.size() >= kFewest && options_.rise > 0 && loss > median(losses_) + options_.rise) {
    if (++n_high_ < options_.patience) return std::nullopt;
    return fmt::format(
        "the loss rose from {:.3f} (median of {} updates) to {:.3f} at update {} and stayed there",
        median(losses_), losses_.size(), loss, step);
  }
  n_high_ = 0;
  losses_.push_back(loss);
  if (losses_.size() > static_cast<size_t>(options_.window)) losses_.pop_front();
  return std::nullopt;
}

}  // namespace weir
