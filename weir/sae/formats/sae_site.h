#pragma once

#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weir/io/tensor_view.h"

namespace weir {

/// One dictionary on disk: a file of tensors and the configuration beside it.
struct SaeSite {
  std::filesystem::path file, config_file;
  std::shared_ptr<const nlohmann::json> parsed;  ///< Of config_file; nothing when there is none.
  io::TensorMap tensors;

  /// The configuration, an object; null when there is none.
  const nlohmann::json& config() const;

  bool has(const std::string& name) const { return tensors.find(name) != nullptr; }
  bool has_all(std::initializer_list<const char*> names) const;
  /// ".pt", ".pth" and the like.
  bool is_torch() const;
  /// config()[key] as an object; null when there is none.
  const nlohmann::json& section(const char* key) const;
  /// Names of the folders that lead to the file and its own, the last one first.
  std::vector<std::string> path_words() const;
};

/// Finds and opens it. kNotFound when there is none below `path`; kInvalidArgument, with their
/// names, when there are several.
SaeSite find_sae_site(const std::filesystem::path& path);

/// The number in the first of `words` that has `before` followed by digits ("layer_3"); -1: none.
int64_t number_after(const std::vector<std::string>& words, const std::string& before);
/// The value of a top-level `key: value` line of a YAML file beside the site; "" when absent.
std::string yaml_value(const std::filesystem::path& file, const std::string& key);

}  // namespace weir
