#pragma once

#include <nlohmann/json_fwd.hpp>

#include "weir/report/report.h"

namespace weir::report {

/// The document of `render_json`, with every number as it is. The report must be valid.
nlohmann::ordered_json to_json(const Report& report);

}  // namespace weir::report
