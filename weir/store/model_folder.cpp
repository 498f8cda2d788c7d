#include "weir/store/model_folder.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "weir/base/error.h"
#include "weir/store/model_record.h"

namespace weir::store {
namespace fs = std::filesystem;

ModelFolder inspect_folder(const fs::path& folder) {
  ModelFolder found;
  std::vector<fs::path> binaries;
  bool has_config = false;
  bool has_weights = false;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (!entry.is_regular_file(ignored)) continue;
    const std::string name = entry.path().filename().string();
    const std::string extension = entry.path().extension().string();
    const bool is_pytorch = name.compare(0, 13, "pytorch_model") == 0 && extension == ".bin";
    has_config |= name == "config.json";
    has_weights |= is_pytorch || extension == ".safetensors";
    if (extension == ".gguf") found.files.push_back(entry.path());
    if (extension == ".bin" && !is_pytorch && name != "tokenizer.bin") {
      binaries.push_back(entry.path());
    }
  }
  found.is_hugging_face = has_config && has_weights;
  if (found.is_empty()) found.files = binaries;
  std::sort(found.files.begin(), found.files.end());
  return found;
}

std::optional<fs::path> model_in_folder(const fs::path& folder, const std::string& name) {
  const ModelFolder found = inspect_folder(folder);
  if (found.is_hugging_face) {
    const auto record = read_record(folder);
    if (record && !record->is_complete) {
      fail(ErrorCode::kUnavailable, "{0}: its pull was not finished; run `weir models pull {0}`",
           name);
    }
    return folder;
  }
  if (found.files.empty()) return std::nullopt;
  if (found.files.size() == 1) return found.files[0];
  std::vector<std::string> names;
  for (const fs::path& file : found.files) names.push_back(file.filename().string());
  fail(ErrorCode::kInvalidArgument, "{0} holds {1} models; name one as {0}:FILE: {2}", name,
       names.size(), fmt::join(names, ", "));
}

uint64_t model_bytes(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    const uintmax_t size = fs::file_size(path, ignored);
    return ignored ? 0 : size;
  }
  uint64_t n_bytes = 0;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    if (entry.is_regular_file(ignored)) n_bytes += entry.file_size(ignored);
  }
  return n_bytes;
}

}  // namespace weir::store
