#pragma once

#include <string>
#include <utility>
#include <vector>

namespace weir {

/// Name and JSON text of the relations in weir/tasks/data, embedded when the library is built.
const std::vector<std::pair<std::string, std::string>>& builtin_relations();

}  // namespace weir
