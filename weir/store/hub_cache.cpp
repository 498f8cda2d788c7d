#include "weir/store/hub_cache.h"

#include <algorithm>
#include <fstream>

#include "weir/base/paths.h"

namespace weir::store {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "models--";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// What refs/REVISION holds: the commit, or "" when there is no such file.
std::string commit_of(const fs::path& repository, const std::string& revision) {
  std::string commit;
  std::ifstream(repository / "refs" / revision) >> commit;
  return is_safe_relative_path(commit) ? commit : "";
}

}  // namespace

std::optional<fs::path> find_cached_snapshot(const ModelName& name) {
  const fs::path repository =
      hugging_face_cache() / (std::string(kPrefix) + replaced(name.repository, "/", "--"));
  std::string commit = commit_of(repository, name.revision);
  if (commit.empty()) commit = name.revision;
  const fs::path folder = repository / "snapshots" / commit;
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return std::nullopt;
  return folder;
}

std::vector<CachedSnapshot> list_cached_snapshots() {
  std::vector<CachedSnapshot> snapshots;
  std::error_code ignored;
  for (const auto& repository : fs::directory_iterator(hugging_face_cache(), ignored)) {
    const std::string folder = repository.path().filename().string();
    if (folder.compare(0, kPrefix.size(), kPrefix) != 0) continue;
    const std::string name = replaced(folder.substr(kPrefix.size()), "--", "/");
    const std::string main = commit_of(repository.path(), "main");
    for (const auto& snapshot : fs::directory_iterator(repository.path() / "snapshots", ignored)) {
      const std::string commit = snapshot.path().filename().string();
      snapshots.push_back({commit == main ? name : name + "@" + commit, snapshot.path()});
    }
  }
  std::sort(snapshots.begin(), snapshots.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return snapshots;
}

}  // namespace weir::store
