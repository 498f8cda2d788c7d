#include "weir/io/zip_archive.h"

#include <algorithm>
#include <memory>

#include <zlib.h>

#include "weir/base/error.h"
#include "weir/io/little_endian.h"
#include "weir/io/printable.h"
#include "weir/io/zip_format.h"

namespace weir::io {
namespace {

constexpr uint64_t kMaxCommentBytes = 65535;
constexpr uint16_t kEncryptedFlags = 0x0041;
// Deflate cannot expand more than this; a directory that claims more lies.
constexpr uint64_t kMaxDeflateRatio = 1032;
constexpr uint64_t kPieceBytes = uint64_t{1} << 16;

template <typename... Args>
[[noreturn]] void corrupt(const MappedFile& file, fmt::format_string<Args...> format,
                          Args&&... args) {
  fail(ErrorCode::kCorruptData, "{}: not a valid zip archive: {}", file.path(),
       fmt::format(format, std::forward<Args>(args)...));
}

struct Directory {
  uint64_t offset = 0;
  uint64_t n_bytes = 0;
  uint64_t n_entries = 0;
};

uint64_t find_end(const MappedFile& file) {
  const std::string_view bytes = file.bytes();
  if (bytes.size() >= kEndBytes) {
    const uint64_t last = bytes.size() - kEndBytes;
    const uint64_t first = last > kMaxCommentBytes ? last - kMaxCommentBytes : 0;
    for (uint64_t place = last + 1; place-- > first;) {
      if (load<uint32_t>(bytes, place) == kEndSignature &&
          load<uint16_t>(bytes, place + 20) == bytes.size() - place - kEndBytes) {
        return place;
      }
    }
  }
  corrupt(file, "no end-of-directory record; the file is cut or of another kind");
}

Directory find_directory(const MappedFile& file) {
  const std::string_view bytes = file.bytes();
  const uint64_t end = find_end(file);
  Directory directory{load<uint32_t>(bytes, end + 16), load<uint32_t>(bytes, end + 12),
                      load<uint16_t>(bytes, end + 10)};
  uint64_t limit = end;
  const bool has_locator =
      end >= kEnd64LocatorBytes &&
      load<uint32_t>(bytes, end - kEnd64LocatorBytes) == kEnd64LocatorSignature;
  if (has_locator) {
    const auto place = load<uint64_t>(bytes, end - kEnd64LocatorBytes + 8);
    limit = end - kEnd64LocatorBytes;
    if (place > limit || limit - place < kEnd64Bytes ||
        load<uint32_t>(bytes, place) != kEnd64Signature) {
      corrupt(file, "no zip64 directory record at {}", place);
    }
    directory = {load<uint64_t>(bytes, place + 48), load<uint64_t>(bytes, place + 40),
                 load<uint64_t>(bytes, place + 32)};
    limit = place;
  }
  if (directory.offset > limit || directory.n_bytes > limit - directory.offset) {
    corrupt(file, "a directory of {} bytes at {} does not fit", directory.n_bytes,
            directory.offset);
  }
  if (directory.n_entries > directory.n_bytes / kCentralBytes) {
    corrupt(file, "{} entries do not fit a directory of {} bytes", directory.n_entries,
            directory.n_bytes);
  }
  return directory;
}

// Replaces the saturated 32-bit values by those of the zip64 field, which lists only these.
void apply_zip64(const MappedFile& file, std::string_view extra, ZipEntry* entry) {
  while (extra.size() >= 4) {
    const auto kind = load<uint16_t>(extra, 0);
    const auto length = load<uint16_t>(extra, 2);
    if (length > extra.size() - 4) break;  // Other writers leave rubbish here; it is harmless.
    std::string_view field = extra.substr(4, length);
    extra.remove_prefix(4 + static_cast<size_t>(length));
    if (kind != kZip64Field) continue;
    for (uint64_t* value : {&entry->n_bytes, &entry->stored_bytes, &entry->header_offset}) {
      if (*value != kInZip64) continue;
      if (field.size() < 8)
        corrupt(file, "entry '{}': its zip64 field is cut", printable(entry->name));
      *value = load<uint64_t>(field, 0);
      field.remove_prefix(8);
    }
    return;
  }
}

}  // namespace

uint32_t zip_checksum(std::string_view bytes, uint32_t start) {
  if (bytes.empty()) return start;  // zlib takes a null pointer as "begin anew".
  return static_cast<uint32_t>(
      crc32_z(start, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

ZipArchive::ZipArchive(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {
  read_directory();
  check_extents();
}

void ZipArchive::read_directory() {
  const Directory directory = find_directory(*file_);
  const uint64_t end = directory.offset + directory.n_bytes;
  uint64_t place = directory.offset;
  entries_.reserve(directory.n_entries);
  for (uint64_t i = 0; i < directory.n_entries; ++i) place = read_entry(place, end);
}

uint64_t ZipArchive::read_entry(uint64_t place, uint64_t directory_end) {
  const std::string_view bytes = file_->bytes();
  if (directory_end - place < kCentralBytes || load<uint32_t>(bytes, place) != kCentralSignature) {
    corrupt(*file_, "entry {} of the directory is broken", entries_.size());
  }
  const auto name_bytes = load<uint16_t>(bytes, place + 28);
  const auto extra_bytes = load<uint16_t>(bytes, place + 30);
  const auto comment_bytes = load<uint16_t>(bytes, place + 32);
  const uint64_t n_bytes = kCentralBytes + name_bytes + extra_bytes + comment_bytes;
  if (directory_end - place < n_bytes) {
    corrupt(*file_, "entry {} of the directory is cut", entries_.size());
  }
  ZipEntry entry;
  entry.name = bytes.substr(place + kCentralBytes, name_bytes);
  entry.crc = load<uint32_t>(bytes, place + 16);
  entry.stored_bytes = load<uint32_t>(bytes, place + 20);
  entry.n_bytes = load<uint32_t>(bytes, place + 24);
  entry.header_offset = load<uint32_t>(bytes, place + 42);
  apply_zip64(*file_, bytes.substr(place + kCentralBytes + name_bytes, extra_bytes), &entry);

  const auto method = load<uint16_t>(bytes, place + 10);
  const std::string name = printable(entry.name);
  if ((load<uint16_t>(bytes, place + 8) & kEncryptedFlags) != 0) {
    fail(ErrorCode::kUnsupported, "{}: entry '{}' is encrypted", file_->path(), name);
  }
  if (method != kStored && method != kDeflated) {
    fail(ErrorCode::kUnsupported,
         "{}: entry '{}' uses compression method {}; only stored and "
         "deflated entries are read",
         file_->path(), name, method);
  }
  entry.is_deflated = method == kDeflated;
  locate_data(&entry);
  if (!index_.emplace(entry.name, entries_.size()).second) {
    corrupt(*file_, "two entries are called '{}'", name);
  }
  entries_.push_back(std::move(entry));
  return place + n_bytes;
}

void ZipArchive::locate_data(ZipEntry* entry) const {
  const std::string_view bytes = file_->bytes();
  const uint64_t place = entry->header_offset;
  const std::string name = printable(entry->name);
  if (place > bytes.size() || bytes.size() - place < kLocalBytes ||
      load<uint32_t>(bytes, place) != kLocalSignature) {
    corrupt(*file_, "entry '{}': no header at {}", name, place);
  }
  const auto name_bytes = load<uint16_t>(bytes, place + 26);
  const auto extra_bytes = load<uint16_t>(bytes, place + 28);
  const uint64_t header_bytes = kLocalBytes + name_bytes + extra_bytes;
  if (bytes.size() - place < header_bytes ||
      bytes.substr(place + kLocalBytes, name_bytes) != entry->name) {
    corrupt(*file_, "entry '{}': its header tells another name", name);
  }
  entry->data_offset = place + header_bytes;
  if (entry->stored_bytes > bytes.size() - entry->data_offset) {
    corrupt(*file_, "entry '{}': {} bytes at {} go past the end", name, entry->stored_bytes,
            entry->data_offset);
  }
  if (!entry->is_deflated && entry->stored_bytes != entry->n_bytes) {
    corrupt(*file_, "entry '{}': stored, yet of two sizes", name);
  }
  if (entry->is_deflated && entry->n_bytes / kMaxDeflateRatio > entry->stored_bytes) {
    corrupt(*file_, "entry '{}': {} bytes cannot expand to {}", name, entry->stored_bytes,
            entry->n_bytes);
  }
}

void ZipArchive::check_extents() const {
  std::vector<const ZipEntry*> order;
  for (const ZipEntry& entry : entries_) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const ZipEntry* a, const ZipEntry* b) {
    return a->header_offset < b->header_offset;
  });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->data_offset + order[i - 1]->stored_bytes > order[i]->header_offset) {
      corrupt(*file_, "entries '{}' and '{}' overlap", printable(order[i - 1]->name),
              printable(order[i]->name));
    }
  }
}

const ZipEntry* ZipArchive::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::string_view ZipArchive::stored(const ZipEntry& entry) const {
  return file_->bytes().substr(entry.data_offset, entry.stored_bytes);
}

std::string ZipArchive::head(const ZipEntry& entry, uint64_t n_bytes) const {
  if (entry.is_deflated) return inflate(entry, std::min(n_bytes, entry.n_bytes));
  return std::string(stored(entry).substr(0, n_bytes));
}

std::string ZipArchive::read(const ZipEntry& entry) const {
  if (!entry.is_deflated) {
    check_stored(entry);
    return std::string(stored(entry));
  }
  // One byte more than promised is asked for, so that too much is noticed.
  std::string bytes = inflate(entry, entry.n_bytes + 1);
  if (bytes.size() != entry.n_bytes || zip_checksum(bytes) != entry.crc) {
    corrupt(*file_, "entry '{}': wrong size or checksum after decompression",
            printable(entry.name));
  }
  return bytes;
}

void ZipArchive::check_stored(const ZipEntry& entry) const {
  if (zip_checksum(stored(entry)) != entry.crc) {
    corrupt(*file_, "entry '{}': wrong checksum", printable(entry.name));
  }
}

std::string ZipArchive::inflate(const ZipEntry& entry, uint64_t limit) const {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    fail(ErrorCode::kInternal, "zlib cannot start to decompress");
  }
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> cleanup(&stream, &inflateEnd);
  std::string_view input = file_->bytes().substr(entry.data_offset, entry.stored_bytes);
  std::string output;
  int status = Z_OK;
  while (status != Z_STREAM_END && output.size() < limit) {
    if (stream.avail_in == 0) {
      const auto* piece = reinterpret_cast<const unsigned char*>(input.data());
      stream.next_in = const_cast<unsigned char*>(piece);
      stream.avail_in = static_cast<unsigned>(std::min<uint64_t>(input.size(), kPieceBytes));
      input.remove_prefix(stream.avail_in);
    }
    const size_t done = output.size();
    const uint64_t room = std::min(limit - done, kPieceBytes);
    output.resize(done + room);
    stream.next_out = reinterpret_cast<unsigned char*>(output.data()) + done;
    stream.avail_out = static_cast<unsigned>(room);
    status = ::inflate(&stream, Z_NO_FLUSH);
    output.resize(done + room - stream.avail_out);
    if (status != Z_OK && status != Z_STREAM_END) {
      corrupt(*file_, "entry '{}': its compressed bytes are broken", printable(entry.name));
    }
  }
  return output;
}

}  // namespace weir::io
