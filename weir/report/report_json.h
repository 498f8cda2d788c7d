#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "weir/report/report.h"

namespace weir::report {

/// "weir.report/2" is written; every version up to it is read. A change by which a reader of the
/// version before would misread a document makes a new one.
constexpr int kSchemaVersion = 2;
inline const std::string kSchemaName = "weir.report/";

/// The document of `render_json`, with every number as it is. The report must be valid.
nlohmann::ordered_json to_json(const Report& report);

}  // namespace weir::report
