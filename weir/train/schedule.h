#pragma once

#include <cstdint>

/// Learning rates over the steps of a training, as factors of the largest one. Steps count from 0.
namespace weir {

/// Rises linearly from 0 at step 0 to 1 at step `warmup`, then falls linearly to 0 at step `end`
/// and stays there. warmup 0: starts at 1.
double linear_rate(int64_t step, int64_t warmup, int64_t end);

/// The same rise, then half a cosine down to `least` at step `end` (1608.03983, without restarts).
double cosine_rate(int64_t step, int64_t warmup, int64_t end, double least = 0);

}  // namespace weir
