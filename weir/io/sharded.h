#pragma once

#include <filesystem>
#include <functional>

#include <nlohmann/json_fwd.hpp>

#include "weir/io/tensor_view.h"

namespace weir::io {

using ShardReader = std::function<TensorMap(const std::filesystem::path& shard)>;

/// Joins the shards of a checkpoint that a Hugging Face index lists: a JSON file with a
/// "weight_map" from tensor name to file name, relative to the index. Tensors of a shard that the
/// index does not list are left out. kCorruptData when a listed tensor is not in its shard or a
/// shard's name leads out of the folder; kNotFound when a shard is missing. A differing
/// "total_size" is only logged: published indexes are often stale there.
TensorMap read_sharded(const std::filesystem::path& index_path, const ShardReader& read_shard);
/// The same with an index that is already parsed; `index_path` says where it came from.
TensorMap join_shards(const nlohmann::json& index, const std::filesystem::path& index_path,
                      const ShardReader& read_shard);

}  // namespace weir::io
