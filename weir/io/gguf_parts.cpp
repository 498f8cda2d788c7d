#include <set>

#include "weir/base/ends_with.h"
#include "weir/base/error.h"
#include "weir/io/gguf.h"
#include "weir/io/printable.h"

namespace weir::io {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostParts = 99999;  // Five digits in the names.

std::string ending(uint64_t part, uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", part, count);
}

uint64_t count_of(const GgufFile& file, const fs::path& path) {
  const uint64_t count = file.find_u64("split.count").value_or(1);
  if (count > kMostParts) {
    fail(ErrorCode::kCorruptData, "{}: split.count is {}, expected at most {}", path.string(),
         count, kMostParts);
  }
  return count;
}

// The name without its part, "tiny" of "tiny-00001-of-00002.gguf".
std::string stem_of(const fs::path& path, uint64_t part, uint64_t count) {
  const std::string name = path.filename().string(), end = ending(part, count);
  if (!ends_with(name, end)) {
    fail(ErrorCode::kCorruptData,
         "{}: is part {} of {} of a split model; expected a name that ends in '{}', by which the "
         "other parts are found",
         path.string(), part, count, end);
  }
  return name.substr(0, name.size() - end.size());
}

GgufFile read_part(const fs::path& part_path, uint64_t part, uint64_t count,
                   const fs::path& first) {
  if (!fs::exists(part_path)) {
    fail(ErrorCode::kNotFound, "{}: is part 1 of {}; part {} is missing: expected '{}' beside it",
         first.string(), count, part, part_path.filename().string());
  }
  GgufFile file = read_gguf(part_path);
  if (file.find_u64("split.no") != part - 1 || file.find_u64("split.count") != count) {
    fail(ErrorCode::kCorruptData, "{}: expected part {} of {}, but its metadata says otherwise",
         part_path.string(), part, count);
  }
  return file;
}

}  // namespace

std::vector<fs::path> gguf_part_paths(const GgufFile& first, const fs::path& path) {
  const uint64_t count = count_of(first, path);
  if (count <= 1) return {path};
  const uint64_t part = first.find_u64("split.no").value_or(0) + 1;
  const std::string stem = stem_of(path, part, count);
  if (part != 1) {
    fail(ErrorCode::kUnsupported, "{}: is part {} of {}; give the first one, '{}'", path.string(),
         part, count, stem + ending(1, count));
  }
  std::vector<fs::path> paths;
  for (uint64_t i = 1; i <= count; ++i)
    paths.push_back(path.parent_path() / (stem + ending(i, count)));
  return paths;
}

GgufFile read_gguf_parts(const fs::path& path) {
  GgufFile whole = read_gguf(path);
  const std::vector<fs::path> paths = gguf_part_paths(whole, path);
  std::set<std::string> names;
  for (const TensorView& tensor : whole.tensors().tensors) names.insert(tensor.name);
  for (size_t i = 1; i < paths.size(); ++i) {
    const GgufFile part = read_part(paths[i], i + 1, paths.size(), path);
    for (const TensorView& tensor : part.tensors().tensors) {
      if (!names.insert(tensor.name).second) {
        fail(ErrorCode::kCorruptData, "{}: tensor '{}' is in an earlier part too",
             paths[i].string(), printable(tensor.name));
      }
      whole.tensors_.tensors.push_back(tensor);
    }
  }
  const auto total = whole.find_u64("split.tensors.count");
  if (paths.size() > 1 && total && *total != names.size()) {
    fail(ErrorCode::kCorruptData, "{}: its {} parts hold {} tensors, expected {}", path.string(),
         paths.size(), names.size(), *total);
  }
  return whole;
}

}  // namespace weir::io
