#pragma once

#include <cstdint>
#include <random>

namespace weir {

/// numpy.random.RandomState(seed).randn: the Mersenne Twister with the polar method, the second of
/// each pair first. Causal tracing's published noise is drawn by it.
class NumpyNormal {
 public:
  explicit NumpyNormal(uint32_t seed) : bits_(seed) {}
  double next();

 private:
  double uniform();  ///< 53 bits, as numpy makes them of two draws

  std::mt19937 bits_;
  bool has_second_ = false;
  double second_ = 0;
};

}  // namespace weir
