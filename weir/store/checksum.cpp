#include "weir/store/checksum.h"

#include <memory>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/io/mapped_file.h"
#include "weir/io/sha256.h"

namespace weir::store {

std::string git_sha1_file(const std::filesystem::path& path) {
  const auto file = io::MappedFile::open(path);
  const std::string header = fmt::format("blob {}", file->size());
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  const bool is_done =
      context && EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) == 1 &&
      EVP_DigestUpdate(context.get(), header.c_str(), header.size() + 1) == 1 &&  // With its NUL.
      EVP_DigestUpdate(context.get(), file->data(), file->size()) == 1 &&
      EVP_DigestFinal_ex(context.get(), digest, &length) == 1;
  if (!is_done) fail(ErrorCode::kUnsupported, "OpenSSL offers no SHA-1, git's hash of a file");
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string describe_mismatch(const std::filesystem::path& path, const Checksum& expected,
                              std::string* sha256) {
  std::error_code error;
  const uint64_t n_bytes = std::filesystem::file_size(path, error);
  if (error) fail(ErrorCode::kUnavailable, "{}: {}", path.string(), error.message());
  if (expected.n_bytes && *expected.n_bytes != n_bytes) {
    return fmt::format("expected {} bytes, got {}", *expected.n_bytes, n_bytes);
  }
  Progress progress("checking " + path.filename().string(), n_bytes, "B");
  *sha256 = io::sha256_file(path, [&](size_t piece) { progress.advance(piece); });
  if (!expected.sha256.empty() && expected.sha256 != *sha256) {
    return fmt::format("expected sha256 {}, got {}", expected.sha256, *sha256);
  }
  if (expected.git_sha1.empty()) return "";
  const std::string git_sha1 = git_sha1_file(path);
  if (git_sha1 == expected.git_sha1) return "";
  return fmt::format("expected git blob hash {}, got {}", expected.git_sha1, git_sha1);
}

}  // namespace weir::store
