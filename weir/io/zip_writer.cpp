#include <algorithm>

#include "weir/base/error.h"
#include "weir/io/little_endian.h"
#include "weir/io/printable.h"
#include "weir/io/zip_archive.h"
#include "weir/io/zip_format.h"

namespace weir::io {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint16_t kVersionWithZip64 = 45;
constexpr uint16_t kPaddingField = 0x5757;
constexpr uint32_t kNoTime = 0x00210000;  // 1980-01-01, so that equal content gives equal files.

// What the local and the central header of an entry have in common; the sizes stand in zip64
// fields.
void store_shared_fields(std::string* header, const ZipEntry& entry) {
  store<uint16_t>(header, kVersionWithZip64);
  store<uint16_t>(header, 0);
  store<uint16_t>(header, kStored);
  store<uint32_t>(header, kNoTime);
  store<uint32_t>(header, entry.crc);
  store<uint32_t>(header, kInZip64);
  store<uint32_t>(header, kInZip64);
  store<uint16_t>(header, static_cast<uint16_t>(entry.name.size()));
}

// Local extra: the sizes, then a padding field that brings the data to the alignment.
std::string local_header(const ZipEntry& entry) {
  std::string extra;
  store<uint16_t>(&extra, kZip64Field);
  store<uint16_t>(&extra, 16);
  store<uint64_t>(&extra, entry.n_bytes);
  store<uint64_t>(&extra, entry.n_bytes);
  const uint64_t end = entry.header_offset + kLocalBytes + entry.name.size() + extra.size() + 4;
  const uint64_t padding = (kAlignment - end % kAlignment) % kAlignment;
  store<uint16_t>(&extra, kPaddingField);
  store<uint16_t>(&extra, static_cast<uint16_t>(padding));
  extra.append(padding, '\0');

  std::string header;
  store<uint32_t>(&header, kLocalSignature);
  store_shared_fields(&header, entry);
  store<uint16_t>(&header, static_cast<uint16_t>(extra.size()));
  return header + entry.name + extra;
}

std::string central_header(const ZipEntry& entry) {
  std::string header;
  store<uint32_t>(&header, kCentralSignature);
  store<uint16_t>(&header, kVersionWithZip64);
  store_shared_fields(&header, entry);
  store<uint16_t>(&header, 28);
  header.append(10, '\0');  // Comment, disk, attributes.
  store<uint32_t>(&header, kInZip64);
  header += entry.name;
  store<uint16_t>(&header, kZip64Field);
  store<uint16_t>(&header, 24);
  for (const uint64_t value : {entry.n_bytes, entry.n_bytes, entry.header_offset}) {
    store<uint64_t>(&header, value);
  }
  return header;
}

}  // namespace

void ZipWriter::add(const std::string& name, std::string_view first, std::string_view second) {
  require(name.size() <= 0xffff, "zip: the name '{}' is too long", printable(name));
  ZipEntry entry;
  entry.name = name;
  entry.header_offset = file_.size();
  entry.n_bytes = first.size() + second.size();
  entry.crc = zip_checksum(second, zip_checksum(first));
  file_.write(local_header(entry));
  file_.write(first);
  file_.write(second);
  entries_.push_back(std::move(entry));
}

void ZipWriter::finish() {
  const uint64_t start = file_.size();
  for (const ZipEntry& entry : entries_) file_.write(central_header(entry));
  const uint64_t end = file_.size();
  std::string tail;
  store<uint32_t>(&tail, kEnd64Signature);
  store<uint64_t>(&tail, kEnd64Bytes - 12);
  store<uint16_t>(&tail, kVersionWithZip64);
  store<uint16_t>(&tail, kVersionWithZip64);
  store<uint64_t>(&tail, 0);  // Disk numbers.
  for (const uint64_t value :
       {uint64_t{entries_.size()}, uint64_t{entries_.size()}, end - start, start}) {
    store<uint64_t>(&tail, value);
  }
  store<uint32_t>(&tail, kEnd64LocatorSignature);
  store<uint32_t>(&tail, 0);
  store<uint64_t>(&tail, end);
  store<uint32_t>(&tail, 1);
  store<uint32_t>(&tail, kEndSignature);
  store<uint32_t>(&tail, 0);
  const auto count = static_cast<uint16_t>(std::min<uint64_t>(entries_.size(), 0xffff));
  store<uint16_t>(&tail, count);
  store<uint16_t>(&tail, count);
  store<uint32_t>(&tail, static_cast<uint32_t>(std::min<uint64_t>(end - start, kInZip64)));
  store<uint32_t>(&tail, static_cast<uint32_t>(std::min<uint64_t>(start, kInZip64)));
  store<uint16_t>(&tail, 0);
  file_.write(tail);
  file_.commit();
}

}  // namespace weir::io
