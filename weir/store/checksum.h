#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace weir::store {

/// What a file must be. A hub knows large files by sha256, small ones by git's blob hash.
struct Checksum {
  std::optional<uint64_t> n_bytes;
  std::string sha256;    ///< 64 hex digits; "" when unknown.
  std::string git_sha1;  ///< 40 hex digits; "" when unknown.

  bool has_hash() const { return !sha256.empty() || !git_sha1.empty(); }
};

/// SHA-1 of "blob SIZE\0" and the bytes: how git names a file's content.
std::string git_sha1_file(const std::filesystem::path& path);

/// How the file differs ("expected sha256 ..., got ..."); "" when size and known hashes are right.
/// `sha256` receives the file's own. Reads the whole file; Ctrl-C is kInterrupted.
std::string describe_mismatch(const std::filesystem::path& path, const Checksum& expected,
                              std::string* sha256);

}  // namespace weir::store
