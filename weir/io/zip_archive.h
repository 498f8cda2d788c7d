#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weir/io/atomic_file.h"
#include "weir/io/mapped_file.h"

/// Zip archives as numpy and PyTorch write them: stored or deflated entries, zip64, no encryption,
/// one volume. Own code because a stored entry must be usable where it lies in the mapping (a
/// checkpoint of gigabytes is not copied), which no packaged library offers.
namespace weir::io {

struct ZipEntry {
  std::string name;
  uint64_t header_offset = 0;  ///< Of the local header.
  uint64_t data_offset = 0;
  uint64_t stored_bytes = 0;  ///< As they lie in the file.
  uint64_t n_bytes = 0;       ///< After decompression.
  uint32_t crc = 0;
  bool is_deflated = false;
};

/// The directory of an archive. Everything is checked when it is opened: extents within the file
/// and apart from each other, names unique, sizes that their compressed bytes can produce.
class ZipArchive {
 public:
  /// kCorruptData for a broken archive, kUnsupported for encryption and other compressions.
  explicit ZipArchive(std::shared_ptr<const MappedFile> file);

  const std::vector<ZipEntry>& entries() const noexcept { return entries_; }
  /// nullptr when there is none.
  const ZipEntry* find(const std::string& name) const;
  const std::shared_ptr<const MappedFile>& file() const noexcept { return file_; }

  /// The bytes of a stored entry, in place. Not for deflated ones. The checksum is not looked at.
  std::string_view stored(const ZipEntry& entry) const;
  /// The first (up to) `n_bytes` bytes, decompressed when needed.
  std::string head(const ZipEntry& entry, uint64_t n_bytes) const;
  /// All bytes. Memory grows with what really comes out; a wrong size or checksum is
  /// kCorruptData.
  std::string read(const ZipEntry& entry) const;
  /// kCorruptData when the checksum of a stored entry is wrong. Reads all of it.
  void check_stored(const ZipEntry& entry) const;

 private:
  void read_directory();
  uint64_t read_entry(uint64_t place, uint64_t directory_end);
  void locate_data(ZipEntry* entry) const;
  void check_extents() const;
  std::string inflate(const ZipEntry& entry, uint64_t limit) const;

  std::shared_ptr<const MappedFile> file_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string, size_t> index_;
};

/// Writes stored entries, each with its data at a multiple of 64 bytes. Atomic.
class ZipWriter {
 public:
  explicit ZipWriter(const std::filesystem::path& path) : file_(path) {}

  /// An entry made of two pieces one after the other (a header and its data).
  void add(const std::string& name, std::string_view first, std::string_view second = {});
  void finish();

 private:
  AtomicFile file_;
  std::vector<ZipEntry> entries_;
};

}  // namespace weir::io
