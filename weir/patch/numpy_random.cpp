#include "weir/patch/numpy_random.h"

#include <cmath>

namespace weir {

double NumpyNormal::uniform() {
  const uint32_t high = bits_() >> 5, low = bits_() >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

double NumpyNormal::next() {
  if (has_second_) {
    has_second_ = false;
    return second_;
  }
  double x, y, radius;
  do {
    x = 2 * uniform() - 1;
    y = 2 * uniform() - 1;
    radius = x * x + y * y;
  } while (radius >= 1 || radius == 0);
  const double factor = std::sqrt(-2 * std::log(radius) / radius);
  second_ = factor * x;
  has_second_ = true;
  return factor * y;
}

}  // namespace weir
