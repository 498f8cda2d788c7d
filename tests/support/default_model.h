#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/golden.h"
#include "weir/base/paths.h"
#include "weir/io/json.h"

namespace weir::testing {

/// The GGUF of a model in this machine's store, if someone has fetched it.
inline std::optional<std::filesystem::path> stored_model(const std::string& name) {
  const std::filesystem::path folder = home_directory() / "models" / name;
  std::error_code no_folder;
  for (const auto& entry : std::filesystem::directory_iterator(folder, no_folder)) {
    if (entry.path().extension() == ".gguf") return entry.path();
  }
  return std::nullopt;
}

inline std::optional<std::filesystem::path> default_model() { return stored_model("smollm2-135m"); }

/// Cases of the golden topic `smollm2`: folders named as the store names the model.
inline std::vector<std::string> smollm2_cases() {
  std::vector<std::string> cases;
  for (const std::string& name : golden_folders("", "expected.json")) {
    if (name.rfind("smollm2-", 0) == 0) cases.push_back(name);
  }
  return cases;
}

inline nlohmann::json expected_of(const std::string& smollm2_case) {
  return io::read_json(golden_topic(smollm2_case) / "expected.json");
}

}  // namespace weir::testing
