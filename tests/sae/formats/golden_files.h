#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/golden.h"
#include "weir/io/json.h"
#include "weir/sae/formats/sae_file.h"

namespace weir {

inline std::filesystem::path formats_topic() { return golden_topic("sae-formats"); }

inline nlohmann::json expectations(const char* part) {
  const auto file = formats_topic() / "expected.json";
  if (!std::filesystem::exists(file)) return nlohmann::json::object();
  return io::read_json(file).at(part);
}

/// PyTorch's format from before 1.6 is refused by name, as the README allows.
inline bool is_old_torch(const nlohmann::json& about) {
  return about.value("note", "").find("refuse it by name") != std::string::npos;
}

/// Names of cases whose folder is there, and which are to be read.
inline std::vector<std::string> names_of(const char* part) {
  std::vector<std::string> names;
  const nlohmann::json cases = expectations(part);
  for (const auto& [name, about] : cases.items()) {
    const std::string path = about.at("path");
    if (std::filesystem::exists(formats_topic() / path) && !is_old_torch(about)) {
      names.push_back(name);
    }
  }
  return names;
}

/// With what the case says must be told.
inline SaeFile load_case(const nlohmann::json& about, LoadSaeOptions options = {}) {
  if (about.contains("options_needed") && about["options_needed"].contains("k")) {
    options.k = about["options_needed"]["k"].get<int64_t>();
  }
  return load_sae(formats_topic() / about.at("path").get<std::string>(), options);
}

}  // namespace weir
