#pragma once

#include <nlohmann/json_fwd.hpp>

#include "weir/sae/kinds/sae_config.h"

namespace weir {

/// All of a configuration, under the names of its fields.
nlohmann::ordered_json to_json(const SaeConfig& config);
/// The other way; `what` names the text in messages. kCorruptData for a wrong type.
SaeConfig parse_sae_config(const nlohmann::json& json, const std::string& what);

}  // namespace weir
