#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace weir::store {

/// "[OWNER/]NAME[@REVISION][:FILE]", taken apart. Every part is safe to be used in a path.
struct ModelName {
  std::string repository;         ///< "OWNER/NAME"; "NAME" for a folder of the store.
  std::string revision = "main";  ///< A branch, a tag ("refs/pr/1") or a commit.
  std::string file;               ///< Within the repository; "" for the whole model.
};

/// Nothing when the text has another form.
std::optional<ModelName> parse_model_name(const std::string& text);

/// Under $WEIR_HOME/models: OWNER/NAME, or OWNER/NAME@REVISION for others than main.
std::filesystem::path store_folder(const ModelName& name);
/// $WEIR_HOME/models.
std::filesystem::path store_root();

/// Whether `path` names something below the folder it is relative to: no absolute path, no "."
/// or "..", no control characters or backslashes.
bool is_safe_relative_path(std::string_view path);

}  // namespace weir::store
