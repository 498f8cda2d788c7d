#include "weir/report/passages.h"

#include <algorithm>
#include <cmath>

namespace weir::report {

double scale_end(const PassagesBlock& block) {
  double end = block.largest;
  if (end > 0) return end;
  for (const Passage& passage : block.passages) {
    for (const double value : passage.values) {
      if (std::isfinite(value)) end = std::max(end, std::abs(value));
    }
  }
  return end > 0 ? end : 1;
}

double share(double value, double end) {
  return std::isnan(value) ? 0 : std::min(1.0, std::abs(value) / end);
}

}  // namespace weir::report
