#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace weir::io {

/// The bytes of a file from first to last, for texts that are larger than memory. A file whose name
/// ends in .zst is decompressed on the way (Zstandard frames, RFC 8878, any number of them; windows
/// of up to 128 MB).
class ByteStream {
 public:
  /// kNotFound when there is no such file, kInvalidArgument for a folder.
  explicit ByteStream(const std::filesystem::path& path);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  /// Puts up to `size` > 0 bytes into `buffer`; 0 only at the end. kCorruptData when the file is no
  /// Zstandard, damaged or cut off; kUnavailable when it cannot be read.
  size_t read(char* buffer, size_t size);
  /// How far the file itself was read, for progress.
  uint64_t file_position() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weir::io
