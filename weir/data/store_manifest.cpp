#include "weir/data/store_manifest.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/tensor/convert.h"

namespace weir::data {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kFormat = "weir-activations";
constexpr int64_t kVersion = 1;
constexpr int64_t kMost = int64_t{1} << 48;

ordered_json drops_json(const DropCounts& drops) {
  return {{"tokens_seen", drops.n_tokens},
          {"first_positions", drops.positions},
          {"tokens", drops.tokens},
          {"norms", drops.norms},
          {"norms_by_site", drops.norms_by_site}};
}

// The member of that name, an array of `n` finite numbers.
template <typename T>
std::vector<T> numbers(const json& object, const char* key, size_t n, const std::string& what) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array() || found->size() != n) {
    fail(ErrorCode::kCorruptData, "{}: expected {} numbers as '{}'", what, n, key);
  }
  std::vector<T> values;
  for (const json& value : *found) {
    const bool fits = std::is_integral_v<T> ? value.is_number_integer() : value.is_number();
    if (!fits) fail(ErrorCode::kCorruptData, "{}: expected numbers as '{}'", what, key);
    values.push_back(value.get<T>());
  }
  return values;
}

const json& list(const json& object, const char* key, const std::string& what) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) {
    fail(ErrorCode::kCorruptData, "{}: expected a list as '{}'", what, key);
  }
  return *found;
}

DropCounts read_drops(const json& manifest, size_t n_sites, const std::string& what) {
  const auto found = manifest.find("dropped");
  if (found == manifest.end() || !found->is_object()) {
    fail(ErrorCode::kCorruptData, "{}: expected an object as 'dropped'", what);
  }
  const auto count = [&](const char* key) { return io::get_int(*found, key, 0, kMost, what); };
  DropCounts drops;
  drops.n_tokens = count("tokens_seen");
  drops.positions = count("first_positions");
  drops.tokens = count("tokens");
  drops.norms = count("norms");
  drops.norms_by_site = numbers<int64_t>(*found, "norms_by_site", n_sites, what);
  return drops;
}

void read_shards(const json& manifest, const std::string& what, StoreManifest* out) {
  const size_t n_sites = out->info.sites.size();
  for (const json& entry : list(manifest, "shards", what)) {
    ShardEntry shard;
    shard.n_rows = io::get_int(entry, "rows", 0, kMost, what);
    shard.n_contexts = io::get_int(entry, "contexts", 0, kMost, what);
    shard.sha256 = io::get_string(entry, "sha256", what);
    shard.norm_sum = numbers<double>(entry, "norm_sum", n_sites, what);
    shard.square_norm_sum = numbers<double>(entry, "square_norm_sum", n_sites, what);
    out->info.n_rows += shard.n_rows;
    out->info.n_contexts += shard.n_contexts;
    out->shards.push_back(std::move(shard));
  }
}

}  // namespace

void write_manifest(const StoreManifest& manifest, const std::filesystem::path& folder) {
  const StoreInfo& info = manifest.info;
  ordered_json sites = ordered_json::array(), shards = ordered_json::array();
  for (const ActivationSite& site : info.sites) {
    sites.push_back({{"name", site.name}, {"width", site.width}});
  }
  for (const ShardEntry& shard : manifest.shards) {
    shards.push_back({{"file", shard_name(static_cast<int64_t>(shards.size()))},
                      {"rows", shard.n_rows},
                      {"contexts", shard.n_contexts},
                      {"sha256", shard.sha256},
                      {"norm_sum", shard.norm_sum},
                      {"square_norm_sum", shard.square_norm_sum}});
  }
  const ordered_json document = {{"format", kFormat},
                                 {"version", kVersion},
                                 {"complete", manifest.is_complete},
                                 {"sites", sites},
                                 {"dtype", dtype_name(info.dtype)},
                                 {"context_length", info.context_length},
                                 {"contexts", info.n_contexts},
                                 {"rows", info.n_rows},
                                 {"dropped", drops_json(info.dropped)},
                                 {"norm_limits", info.norm_limits},
                                 {"job", ordered_json::parse(info.job)},
                                 {"shards", shards}};
  io::write_file(folder / kStoreFile, io::dump_json(document, 1) + "\n");
}

StoreManifest read_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kStoreFile;
  const std::string what = file.string();
  const json document = io::read_json(file);
  if (io::find_string(document, "format", what).value_or("") != kFormat) {
    fail(ErrorCode::kCorruptData, "{}: expected the description of a store of activations", what);
  }
  const int64_t version = io::get_int(document, "version", 1, kMost, what);
  if (version != kVersion) {
    fail(ErrorCode::kUnsupported, "{}: expected version {}, found {}", what, kVersion, version);
  }
  StoreManifest manifest;
  manifest.is_complete = io::get_bool(document, "complete", what);
  StoreInfo& info = manifest.info;
  for (const json& site : list(document, "sites", what)) {
    info.sites.push_back(
        {io::get_string(site, "name", what), io::get_int(site, "width", 1, kMost, what)});
  }
  info.dtype = parse_dtype(io::get_string(document, "dtype", what));
  info.context_length = io::get_int(document, "context_length", 1, kMost, what);
  info.dropped = read_drops(document, info.sites.size(), what);
  info.norm_limits = numbers<double>(document, "norm_limits", info.sites.size(), what);
  info.job = io::dump_json(document.value("job", json::object()));
  read_shards(document, what, &manifest);
  return manifest;
}

}  // namespace weir::data
