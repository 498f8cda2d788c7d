#include "weir/io/atomic_folder.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"

namespace weir::io {
namespace {

namespace fs = std::filesystem;

// So that names of files in it outlive a power cut.
void sync_names(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

// Without a slash at the end, which would make the last name empty.
fs::path plain(const fs::path& path) {
  const fs::path whole = fs::absolute(path).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

}  // namespace

AtomicFolder::AtomicFolder(const fs::path& target, Existing existing)
    : target_(plain(target)), temporary_(temporary_name(target_)) {
  std::error_code error;
  const fs::file_status status = fs::status(target_, error);
  const bool exists = fs::exists(status);
  require(!exists || fs::is_directory(status),
          "{}: expected a folder or a new name, found a file; give another path", target.string());
  if (exists && existing == Existing::kRefuse) {
    const bool is_empty = fs::is_empty(target_, error);
    if (error) fail_to("read", error);
    require(is_empty, "{}: the folder is not empty; give a new one, or ask to overwrite",
            target.string());
  }
  try {
    make(target_.parent_path());
    if (!fs::create_directory(temporary_, error)) fail_to("created", error);
  } catch (...) {
    for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) fs::remove(*folder, error);
    throw;
  }
}

AtomicFolder::~AtomicFolder() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
  // Only while empty: somebody else may have begun to use them.
  for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) fs::remove(*folder, ignored);
}

void AtomicFolder::fail_to(const char* action, const std::error_code& error) const {
  fail(ErrorCode::kUnavailable, "{}: the folder cannot be {}: {}", target_.string(), action,
       error.message());
}

void AtomicFolder::make(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::is_directory(folder, error)) return;
  make(folder.parent_path());
  error.clear();
  if (fs::create_directory(folder, error)) made_.push_back(folder);
  if (error) fail_to("created", error);
}

void AtomicFolder::merge(const fs::path& last) {
  std::error_code error;
  std::vector<fs::path> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(temporary_)) {
    names.push_back(entry.path().filename());
  }
  std::stable_partition(names.begin(), names.end(),
                        [&](const fs::path& name) { return name != last; });
  for (const fs::path& name : names) {
    fs::rename(temporary_ / name, target_ / name, error);
    if (error) fail_to("written", error);
  }
  fs::remove(temporary_, error);
}

void AtomicFolder::commit(const fs::path& last) {
  require(!committed_, "{}: committed twice", target_.string());
  std::error_code error;
  sync_names(temporary_);
  if (fs::is_directory(target_, error)) {
    merge(last);
    sync_names(target_);
  } else {
    fs::rename(temporary_, target_, error);
    if (error) fail_to("written", error);
  }
  sync_names(target_.parent_path());
  committed_ = true;
}

}  // namespace weir::io
