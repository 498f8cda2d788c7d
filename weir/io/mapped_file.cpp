#include "weir/io/mapped_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "weir/base/error.h"

namespace weir::io {
namespace {

/// Closes the descriptor on every way out; the mapping stays valid without it.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value() const { return value_; }

 private:
  int value_;
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const std::string name = path.string();
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.value() < 0) {
    const bool is_missing = errno == ENOENT || errno == ENOTDIR;
    if (is_missing) fail(ErrorCode::kNotFound, "{}: no such file", name);
    fail(ErrorCode::kUnavailable, "{}: cannot be opened: {}", name, std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(descriptor.value(), &status) != 0) {
    fail(ErrorCode::kUnavailable, "{}: cannot be examined: {}", name, std::strerror(errno));
  }
  require(!S_ISDIR(status.st_mode), "{}: expected a file, found a folder", name);
  require(S_ISREG(status.st_mode), "{}: expected a regular file, found a device or pipe", name);

  std::shared_ptr<MappedFile> file(new MappedFile(name));
  file->size_ = static_cast<size_t>(status.st_size);
  if (file->size_ == 0) return file;  // mmap refuses empty ranges.
  void* address = ::mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, descriptor.value(), 0);
  if (address == MAP_FAILED) {
    fail(ErrorCode::kUnavailable, "{}: cannot be mapped: {}", name, std::strerror(errno));
  }
  file->data_ = static_cast<const std::byte*>(address);
  file->is_mapped_ = true;
  return file;
}

std::shared_ptr<const MappedFile> MappedFile::from_bytes(std::vector<std::byte> bytes,
                                                         std::string name) {
  std::shared_ptr<MappedFile> file(new MappedFile(std::move(name)));
  file->buffer_ = std::move(bytes);
  file->data_ = file->buffer_.data();
  file->size_ = file->buffer_.size();
  return file;
}

MappedFile::~MappedFile() {
  if (is_mapped_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace weir::io
