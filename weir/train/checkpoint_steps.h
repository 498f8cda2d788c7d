#pragma once

#include <cstdint>
#include <vector>

namespace weir {

/// Which checkpoints of `total` updates are kept for good: 0, 1 and about `per_octave` for each
/// doubling, and the last. per_octave 1: 0, 1, 2, 4, 8, ... (those of Pythia); 0: the last alone.
std::vector<int64_t> log_spaced_steps(int64_t total, int64_t per_octave);

}  // namespace weir
