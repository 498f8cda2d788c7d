#pragma once

#include "weir/report/report.h"

namespace weir::report {

/// kInvalidArgument, naming the block and the fault, when the parts of a block do not fit together:
/// a row not as long as its columns, a map that is no rectangle, an empty or infinite range, an
/// edge to a node that is not there, a link that leads nowhere or outside, media of a type that
/// browsers do not show.
void validate(const Report& report);

}  // namespace weir::report
