#include "weir/store/part_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include "weir/base/error.h"

namespace weir::store {

PartFile::PartFile(const std::filesystem::path& final_path)
    : final_path_(final_path), path_(final_path) {
  path_ += ".part";
  std::error_code error;
  std::filesystem::create_directories(final_path.parent_path(), error);
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor_ < 0) fail_with_errno("opened");
  const off_t end = ::lseek(descriptor_, 0, SEEK_END);
  if (end < 0) fail_with_errno("read");
  size_ = static_cast<uint64_t>(end);
}

PartFile::~PartFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void PartFile::fail_with_errno(std::string_view action) const {
  fail(ErrorCode::kUnavailable, "{}: cannot be {}: {}", path_.string(), action,
       std::strerror(errno));
}

void PartFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_with_errno("written");
    size_ += static_cast<uint64_t>(count);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void PartFile::clear() {
  if (::ftruncate(descriptor_, 0) != 0 || ::lseek(descriptor_, 0, SEEK_SET) < 0) {
    fail_with_errno("emptied");
  }
  size_ = 0;
}

void PartFile::commit() {
  if (::fsync(descriptor_) != 0) fail_with_errno("synced");
  if (::rename(path_.c_str(), final_path_.c_str()) != 0) fail_with_errno("renamed into place");
}

void PartFile::remove() {
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) fail_with_errno("removed");
}

}  // namespace weir::store
