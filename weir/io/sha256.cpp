#include "weir/io/sha256.h"

#include <algorithm>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "weir/base/error.h"
#include "weir/io/mapped_file.h"

namespace weir::io {

struct Sha256::Context {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> handle{EVP_MD_CTX_new(),
                                                                 &EVP_MD_CTX_free};
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  if (!context_->handle || EVP_DigestInit_ex(context_->handle.get(), EVP_sha256(), nullptr) != 1) {
    fail(ErrorCode::kInternal, "sha256: OpenSSL offers no SHA-256");
  }
}

Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
  if (EVP_DigestUpdate(context_->handle.get(), bytes.data(), bytes.size()) != 1) {
    fail(ErrorCode::kInternal, "sha256: update after finish");
  }
}

std::string Sha256::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(context_->handle.get(), digest, &length) != 1) {
    fail(ErrorCode::kInternal, "sha256: finished twice");
  }
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string sha256_file(const std::filesystem::path& path,
                        const std::function<void(size_t)>& on_bytes) {
  constexpr size_t kPieceBytes = size_t{1} << 20;
  const auto file = MappedFile::open(path);
  Sha256 hash;
  for (size_t start = 0; start < file->size(); start += kPieceBytes) {
    const std::string_view piece = file->bytes().substr(start, kPieceBytes);
    hash.update(piece);
    if (on_bytes) on_bytes(piece.size());
  }
  return hash.finish();
}

}  // namespace weir::io
