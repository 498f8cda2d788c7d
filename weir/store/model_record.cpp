#include "weir/store/model_record.h"

#include <limits>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"

namespace weir::store {
namespace {

constexpr int64_t kFormat = 1;

ModelRecord parse_record(const nlohmann::json& json, const std::string& what) {
  io::get_int(json, "format", kFormat, kFormat, what);
  ModelRecord record;
  record.origin = io::get_string(json, "origin", what);
  record.revision = io::get_string(json, "revision", what);
  record.commit = io::get_string(json, "commit", what);
  record.is_complete = io::get_bool(json, "complete", what);
  const auto files = json.find("files");
  if (files == json.end() || !files->is_object()) {
    fail(ErrorCode::kCorruptData, "{}: expected an object 'files'", what);
  }
  for (const auto& [name, file] : files->items()) {
    const int64_t n_bytes =
        io::get_int(file, "bytes", 0, std::numeric_limits<int64_t>::max(), what);
    record.files[name] = {static_cast<uint64_t>(n_bytes), io::get_string(file, "sha256", what)};
  }
  return record;
}

}  // namespace

std::optional<ModelRecord> read_record(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "weir.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  try {
    return parse_record(io::read_json(path), path.string());
  } catch (const Error& error) {
    log::warn("{}; it is ignored", error.what());
    return std::nullopt;
  }
}

void write_record(const std::filesystem::path& folder, const ModelRecord& record) {
  nlohmann::ordered_json json = {{"format", kFormat},
                                 {"origin", record.origin},
                                 {"revision", record.revision},
                                 {"commit", record.commit},
                                 {"complete", record.is_complete}};
  json["files"] = nlohmann::ordered_json::object();
  for (const auto& [name, file] : record.files) {
    json["files"][name] = {{"bytes", file.n_bytes}, {"sha256", file.sha256}};
  }
  io::write_file(folder / "weir.json", io::dump_json(json, 1) + "\n");
}

}  // namespace weir::store
