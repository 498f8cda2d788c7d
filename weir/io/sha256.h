#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace weir::io {

/// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::string_view bytes);
  /// The digest of everything so far, 64 lower-case hex digits. Ends the work: no update after it.
  std::string finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// Of a buffer.
std::string sha256_hex(std::string_view bytes);

/// Of a file, read in pieces; `on_bytes` hears how many bytes each piece had (for progress).
/// kNotFound when there is no such file.
std::string sha256_file(const std::filesystem::path& path,
                        const std::function<void(size_t)>& on_bytes = {});

}  // namespace weir::io
