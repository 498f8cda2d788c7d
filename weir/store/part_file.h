#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace weir::store {

/// A download on its way: NAME.part beside NAME. It outlives the process, so that a later one goes
/// on where this one stopped; io::AtomicFile, in contrast, starts anew. Disk trouble is
/// kUnavailable.
class PartFile {
 public:
  /// Opens NAME.part of an earlier try or creates it, with the folders above.
  explicit PartFile(const std::filesystem::path& final_path);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  uint64_t size() const noexcept { return size_; }

  void append(std::string_view bytes);
  void clear();
  /// Syncs to the disk and gives the file its final name.
  void commit();
  /// Gives up what arrived.
  void remove();

 private:
  [[noreturn]] void fail_with_errno(std::string_view action) const;

  std::filesystem::path final_path_;
  std::filesystem::path path_;
  uint64_t size_ = 0;
  int descriptor_ = -1;
};

}  // namespace weir::store
