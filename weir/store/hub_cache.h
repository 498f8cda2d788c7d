#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "weir/store/model_name.h"

/// Hugging Face's own download cache, read only: models--OWNER--NAME/{refs/REVISION,
/// snapshots/COMMIT/FILES}.
namespace weir::store {

struct CachedSnapshot {
  std::string name;  ///< "OWNER/NAME", or "OWNER/NAME@COMMIT" for others than refs/main.
  std::filesystem::path folder;
};

/// All snapshots, by name.
std::vector<CachedSnapshot> list_cached_snapshots();

/// The snapshot of a revision (a name under refs/, or a commit), whole or not.
std::optional<std::filesystem::path> find_cached_snapshot(const ModelName& name);

}  // namespace weir::store
