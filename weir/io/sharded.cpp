#include "weir/io/sharded.h"

#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/io/json.h"
#include "weir/io/printable.h"

namespace weir::io {
namespace {

using nlohmann::json;

bool stays_inside(const std::string& shard) {
  const std::filesystem::path path(shard);
  if (shard.empty() || path.is_absolute() || !path.has_filename()) return false;
  if (shard.find('\0') != std::string::npos || shard.find('\\') != std::string::npos) return false;
  for (const auto& part : path) {
    if (part == ".." || part == ".") return false;
  }
  return true;
}

// Shard -> names of the tensors that it holds.
std::map<std::string, std::set<std::string>> shards_of(const json& index, const std::string& what) {
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    fail(ErrorCode::kCorruptData, "{}: expected an object with a \"weight_map\" object", what);
  }
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) {
      fail(ErrorCode::kCorruptData, "{}: the shard of tensor '{}' is not a string", what,
           printable(tensor));
    }
    const auto& file = shard.get_ref<const std::string&>();
    if (!stays_inside(file)) {
      fail(ErrorCode::kCorruptData, "{}: tensor '{}': the shard '{}' is not a file of this folder",
           what, printable(tensor), printable(file));
    }
    shards[file].insert(tensor);
  }
  return shards;
}

void check_total(const json& index, const TensorMap& map) {
  if (!index.contains("metadata") || !index["metadata"].is_object()) return;
  const json& metadata = index["metadata"];
  if (!metadata.contains("total_size") || !metadata["total_size"].is_number_unsigned()) return;
  uint64_t total = 0;
  for (const TensorView& tensor : map.tensors) total += tensor.n_bytes;
  const auto promised = metadata["total_size"].get<uint64_t>();
  if (promised != total) {
    log::warn("{}: total_size says {} bytes, the shards hold {}", map.source, promised, total);
  }
}

}  // namespace

TensorMap read_sharded(const std::filesystem::path& index_path, const ShardReader& read_shard) {
  return join_shards(read_json(index_path), index_path, read_shard);
}

TensorMap join_shards(const json& index, const std::filesystem::path& index_path,
                      const ShardReader& read_shard) {
  TensorMap result;
  result.source = index_path.string();
  for (auto& [shard, names] : shards_of(index, result.source)) {
    TensorMap part = read_shard(index_path.parent_path() / shard);
    for (TensorView& tensor : part.tensors) {
      if (names.erase(tensor.name) == 1) result.tensors.push_back(std::move(tensor));
    }
    if (!names.empty()) {
      fail(ErrorCode::kCorruptData, "{}: tensor '{}' is not in its shard '{}'", result.source,
           printable(*names.begin()), printable(shard));
    }
    result.metadata.merge(part.metadata);
  }
  check_total(index, result);
  return result;
}

}  // namespace weir::io
