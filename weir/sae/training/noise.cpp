#include "weir/sae/training/noise.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace weir {
namespace {

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t mixed(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

}  // namespace

double normal_at(uint64_t seed, int64_t row, int64_t latent) {
  const uint64_t place = mixed(seed + kGolden * (static_cast<uint64_t>(row) + 1));
  const uint64_t bits = mixed(place + kGolden * (static_cast<uint64_t>(latent) + 1));
  // Box and Muller, of two halves of the bits; the first is never 0.
  const double u = (static_cast<double>(bits >> 32) + 0.5) * 0x1p-32;
  const double v = static_cast<double>(bits & 0xFFFFFFFFU) * 0x1p-32;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v);
}

at::Tensor normal_table(uint64_t seed, int64_t n_rows, int64_t n_latents,
                        const at::TensorOptions& options) {
  const at::Tensor table = at::empty({n_rows, n_latents}, options.dtype(at::kDouble));
  auto* out = table.data_ptr<double>();
  at::parallel_for(0, n_rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t j = 0; j < n_latents; ++j) out[row * n_latents + j] = normal_at(seed, row, j);
    }
  });
  return table.to(options.dtype());
}

uint64_t step_seed(uint64_t seed, int64_t step) {
  return mixed(mixed(seed + kGolden) + kGolden * (static_cast<uint64_t>(step) + 1));
}

}  // namespace weir
