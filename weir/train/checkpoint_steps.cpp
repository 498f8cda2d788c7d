#include "weir/train/checkpoint_steps.h"

#include <cmath>

namespace weir {

std::vector<int64_t> log_spaced_steps(int64_t total, int64_t per_octave) {
  if (per_octave == 0) return {total};
  std::vector<int64_t> steps = {0};
  for (int64_t i = 0; steps.back() < total; ++i) {
    const double exact = std::exp2(static_cast<double>(i) / static_cast<double>(per_octave));
    const int64_t step = std::min<int64_t>(total, std::llround(exact));
    if (step > steps.back()) steps.push_back(step);
  }
  return steps;
}

}  // namespace weir
