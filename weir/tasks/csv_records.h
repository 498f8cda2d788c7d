#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace weir {

/// The rows of a CSV text (RFC 4180) as objects of strings, keyed by the first row. kCorruptData
/// names the row that has another number of fields, or a quote that is not closed.
std::vector<nlohmann::json> csv_records(const std::string& text, const std::string& what);

}  // namespace weir
