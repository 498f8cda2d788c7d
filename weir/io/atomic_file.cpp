#include "weir/io/atomic_file.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include "weir/base/error.h"

namespace weir::io {
namespace {

constexpr size_t kPendingBytes = size_t{1} << 16;

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Makes the rename itself survive a power cut. File systems that cannot do it say so by an error
// that has no remedy here.
void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<int> counter{0};
  std::filesystem::path name = path;
  name += fmt::format(".{}-{}.tmp", ::getpid(), counter++);
  return name;
}

AtomicFile::AtomicFile(const std::filesystem::path& path)
    : path_(path), temporary_(temporary_name(path)) {
  std::error_code ignored;
  require(!std::filesystem::is_directory(path, ignored), "{}: expected a file, found a folder",
          path.string());
  // Renaming over a device, a pipe or a link would replace the thing itself.
  const auto kind = std::filesystem::symlink_status(path, ignored).type();
  require(
      kind == std::filesystem::file_type::regular ||
          kind == std::filesystem::file_type::not_found || kind == std::filesystem::file_type::none,
      "{}: expected a plain file or a new name, found a device, pipe or link; give another path",
      path.string());
  const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
  descriptor_ = ::open(temporary_.c_str(), flags, 0666);
  if (descriptor_ < 0) fail_with_errno("created");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail_with_errno(std::string_view action) const {
  fail(ErrorCode::kUnavailable, "{}: cannot be {}: {}", path_.string(), action,
       std::strerror(errno));
}

void AtomicFile::write(std::string_view bytes) {
  require(descriptor_ >= 0, "{}: written after commit", path_.string());
  size_ += bytes.size();
  if (pending_.size() + bytes.size() < kPendingBytes) {
    pending_ += bytes;
    return;
  }
  write_through(pending_);
  pending_.clear();
  write_through(bytes);
}

void AtomicFile::write_through(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_with_errno("written");
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void AtomicFile::commit() {
  require(descriptor_ >= 0, "{}: committed twice", path_.string());
  write_through(pending_);
  if (::fsync(descriptor_) != 0) fail_with_errno("synced");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_with_errno("renamed into place");
  ::close(descriptor_);
  descriptor_ = -1;
  sync_folder(folder_of(path_));
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace weir::io
