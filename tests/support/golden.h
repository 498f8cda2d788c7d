#pragma once

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>
#include <vector>

#include "weir/base/paths.h"

/// Where golden tests find their cases: reference values that code which is not ours has computed,
/// a folder a topic (tests/README.md). Everything here looks when it is called, so one binary tests
/// whatever $WEIR_GOLDEN names: other seeds, shapes and models in the same layout.
namespace weir {

/// The folder of a topic: in $WEIR_GOLDEN if that is set, else in ../shared/data/golden beside the
/// repository if it has the topic, else in tests/golden.
inline std::filesystem::path golden_topic(const std::string& topic) {
  if (const auto given = environment("WEIR_GOLDEN")) return std::filesystem::path(*given) / topic;
  const std::filesystem::path shared = std::filesystem::path(WEIR_TEST_DATA) / "golden" / topic;
  const bool is_there = *WEIR_TEST_DATA != '\0' && std::filesystem::exists(shared);
  return is_there ? shared : std::filesystem::path(WEIR_GOLDEN_DIR) / topic;
}

/// Names of the folders below `parent` that hold `file`, sorted.
inline std::vector<std::string> folders_with(const std::filesystem::path& parent,
                                             const std::string& file) {
  std::vector<std::string> names;
  std::error_code no_folder;
  for (const auto& entry : std::filesystem::directory_iterator(parent, no_folder)) {
    if (std::filesystem::exists(entry.path() / file)) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Of a topic.
inline std::vector<std::string> golden_folders(const std::string& topic, const std::string& file) {
  return folders_with(golden_topic(topic), file);
}

/// Names of the files of a topic that end in `extension` (".json"), without it, sorted.
inline std::vector<std::string> golden_files(const std::string& topic,
                                             const std::string& extension) {
  std::vector<std::string> names;
  std::error_code no_topic;
  for (const auto& entry : std::filesystem::directory_iterator(golden_topic(topic), no_topic)) {
    if (entry.path().extension() == extension) names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The name of a case as GoogleTest takes it: '_' for all but letters and digits.
inline std::string case_name(std::string name) {
  const auto is_odd = [](unsigned char c) { return std::isalnum(c) == 0; };
  std::replace_if(name.begin(), name.end(), is_odd, '_');
  return name;
}

}  // namespace weir
