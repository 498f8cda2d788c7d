#include <stdexcept>

#include <nlohmann/json.hpp>

#include "parse_or_refuse.h"
#include "weir/io/json.h"
#include "weir/io/sharded.h"

// The index alone; every shard holds one tensor. No name may lead out of the folder.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    const std::filesystem::path folder = "/models/fuzz";
    const auto read_shard = [&](const std::filesystem::path& shard) {
      const auto inside = shard.lexically_normal().lexically_relative(folder);
      if (inside.empty() || *inside.begin() == "..") throw std::logic_error(shard.string());
      weir::io::TensorMap map;
      map.tensors.push_back({"a", weir::io::DType::kF32, {0}, nullptr, 0, nullptr});
      return map;
    };
    weir::io::join_shards(weir::io::parse_json(file->bytes(), file->path()), folder / "index.json",
                          read_shard);
  });
}
