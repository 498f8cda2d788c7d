#include "weir/train/schedule.h"

#include <algorithm>
#include <cmath>

namespace weir {
namespace {

/// How much of the way from `warmup` to `end` lies behind, 0 to 1.
double share_done(int64_t step, int64_t warmup, int64_t end) {
  const auto length = static_cast<double>(std::max<int64_t>(1, end - warmup));
  return std::clamp(static_cast<double>(step - warmup) / length, 0.0, 1.0);
}

double warm(int64_t step, int64_t warmup) {
  return static_cast<double>(step) / static_cast<double>(warmup);
}

}  // namespace

double linear_rate(int64_t step, int64_t warmup, int64_t end) {
  if (step < warmup) return warm(step, warmup);
  return step >= end ? 0 : 1 - share_done(step, warmup, end);
}

double cosine_rate(int64_t step, int64_t warmup, int64_t end, double least) {
  if (step < warmup) return warm(step, warmup);
  return least + (1 - least) * (1 + std::cos(M_PI * share_done(step, warmup, end))) / 2;
}

}  // namespace weir
