#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "weir/base/paths.h"
#include "weir/io/json.h"

namespace weir::testing {

/// The default model's GGUF in this machine's store, if someone has fetched it.
inline std::optional<std::filesystem::path> default_model() {
  const std::filesystem::path folder = home_directory() / "models" / "smollm2-135m";
  std::error_code no_folder;
  for (const auto& entry : std::filesystem::directory_iterator(folder, no_folder)) {
    if (entry.path().extension() == ".gguf") return entry.path();
  }
  return std::nullopt;
}

/// tests/golden/smollm2-135m/expected.json
inline nlohmann::json default_model_golden() {
  return io::read_json(std::string(WEIR_GOLDEN_DIR) + "/smollm2-135m/expected.json");
}

}  // namespace weir::testing
