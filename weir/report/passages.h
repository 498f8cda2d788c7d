#pragma once

#include "weir/report/report.h"

namespace weir::report {

/// The end of the scale of a block, at least a little above 0.
double scale_end(const PassagesBlock& block);
/// Share of the scale that a value takes, 0 (no colour) to 1; of its size, whatever its sign.
double share(double value, double end);

}  // namespace weir::report
