#include "weir/data/input_files.h"

#include <algorithm>
#include <optional>

#include "weir/base/error.h"

namespace weir::data {
namespace {

namespace fs = std::filesystem;

std::optional<FileKind> known_kind(const fs::path& file) {
  const bool is_compressed = file.extension() == ".zst";
  const std::string extension = is_compressed ? file.stem().extension() : file.extension();
  if (extension == ".txt") return FileKind::kText;
  if (extension == ".jsonl") return FileKind::kJsonLines;
  if (!is_compressed && (extension == ".npy" || extension == ".bin")) return FileKind::kIds;
  return std::nullopt;
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator place(folder, error), end; !error && place != end;
       place.increment(error)) {
    if (place->is_regular_file() && known_kind(place->path())) files.push_back(place->path());
  }
  if (error) {
    fail(ErrorCode::kUnavailable, "{}: cannot be listed: {}", folder.string(), error.message());
  }
  require(!files.empty(),
          "{}: expected .txt, .jsonl (each also .zst), .npy or .bin files, found none",
          folder.string());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

FileKind kind_of(const fs::path& file) {
  if (const auto kind = known_kind(file)) return *kind;
  if (file.extension() == ".parquet") {
    fail(ErrorCode::kUnsupported,
         "{}: Parquet is not read; write it as JSON lines first (docs/how-to/corpus.md)",
         file.string());
  }
  fail(ErrorCode::kInvalidArgument,
       "{}: expected a name that ends in .txt, .jsonl (each also .zst), .npy or .bin",
       file.string());
}

std::vector<fs::path> find_files(const std::vector<fs::path>& inputs) {
  std::vector<fs::path> files;
  for (const fs::path& input : inputs) {
    std::error_code ignored;
    if (fs::is_directory(input, ignored)) {
      const std::vector<fs::path> found = files_below(input);
      files.insert(files.end(), found.begin(), found.end());
      continue;
    }
    if (!fs::exists(input, ignored)) {
      fail(ErrorCode::kNotFound, "{}: no such file or folder", input.string());
    }
    kind_of(input);
    files.push_back(input);
  }
  return files;
}

}  // namespace weir::data
