#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::io {

/// The bytes of a file, read-only. Every parser of this module takes one, so that tensors can
/// point into it without copies; it lives until the last of them is gone.
///
/// A mapped file must not be shortened while it is in use (the system then kills the reader);
/// write new files beside it and rename, as AtomicFile does.
class MappedFile {
 public:
  /// Maps the whole file. kNotFound when there is none, kUnavailable when it cannot be read,
  /// kInvalidArgument for a folder.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  /// Holds a buffer instead of a mapping; `name` stands for the path in messages.
  static std::shared_ptr<const MappedFile> from_bytes(std::vector<std::byte> bytes,
                                                      std::string name);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  /// The same bytes as characters.
  std::string_view bytes() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
  /// As it was given, for messages.
  const std::string& path() const noexcept { return path_; }

 private:
  explicit MappedFile(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<std::byte> buffer_;  ///< Empty when mapped.
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool is_mapped_ = false;
};

}  // namespace weir::io
