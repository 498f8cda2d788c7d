#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace weir::io {

/// A name beside `path` for what is still being written: unique among the writers of this process
/// and, through the process id, of this machine.
std::filesystem::path temporary_name(const std::filesystem::path& path);

/// A file that appears complete or not at all.
///
/// Bytes go to a temporary name in the same folder; `commit` syncs them to the disk and renames.
/// Without `commit` (an exception, a stop) the temporary is removed and an older file of the same
/// name stays as it was. Disk trouble is kUnavailable.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);
  /// Bytes written so far.
  uint64_t size() const noexcept { return size_; }
  void commit();

 private:
  [[noreturn]] void fail_with_errno(std::string_view action) const;
  void write_through(std::string_view bytes);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::string pending_;  ///< Small writes are gathered.
  uint64_t size_ = 0;
  int descriptor_ = -1;
};

/// Writes a whole file by AtomicFile.
void write_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace weir::io
