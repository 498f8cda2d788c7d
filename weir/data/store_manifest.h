#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "weir/data/activation_store.h"

/// The file activations.json of a store. Internal to weir/data.
namespace weir::data {

struct ShardEntry {
  int64_t n_rows = 0, n_contexts = 0;
  std::string sha256;
  std::vector<double> norm_sum, square_norm_sum;  ///< Of each site.
};

struct StoreManifest {
  StoreInfo info;  ///< Its counts are those of the shards listed.
  std::vector<ShardEntry> shards;
  bool is_complete = false;
};

/// Atomically, and synced.
void write_manifest(const StoreManifest& manifest, const std::filesystem::path& folder);
/// kNotFound when there is none, kCorruptData where it is broken, kUnsupported for a later version.
StoreManifest read_manifest(const std::filesystem::path& folder);

}  // namespace weir::data
