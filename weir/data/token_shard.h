#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "weir/io/mapped_file.h"

/// Text that was tokenised once: a memory-mapped file of token ids, documents kept apart.
///
/// The file, all numbers little-endian:
///
///     byte  0  "WEIRTOKS"
///           8  u32   version, 1
///          12  u32   bytes of a token: 2 or 4
///          16  u64   V, the size of the vocabulary; every token is below it
///          24  u64   n, the number of tokens
///          32  u64   m, the number of documents
///          40  64 B  sha256 of the tokenizer's definition (its tokenizer.json) in hex digits; '0's
///                    when the tokens came without a tokenizer
///         104  64 B  sha256 of the whole file with this field as '0's, in hex digits
///         168        zeros
///         256        n tokens
///           ?        zeros up to a multiple of 8
///           ?        m + 1 u64: document d is tokens [table[d], table[d + 1]); the first is 0, the
///                    last n
namespace weir::data {

/// What the header says.
struct ShardInfo {
  int64_t vocab_size = 0;
  int64_t n_tokens = 0;
  int64_t n_documents = 0;
  int token_bytes = 2;           ///< 2 or 4.
  std::string tokenizer_sha256;  ///< 64 hex digits; "" when there was no tokenizer.
  std::string sha256;            ///< Of the file, as above.
};

/// Token ids as they lie in a file. Points into the mapping: valid while its shard lives.
class TokenSpan {
 public:
  TokenSpan(const std::byte* data, int64_t size, int token_bytes)
      : data_(data), size_(size), token_bytes_(token_bytes) {}

  int64_t size() const noexcept { return size_; }
  int64_t operator[](int64_t i) const noexcept {
    return token_bytes_ == 2 ? int64_t{reinterpret_cast<const uint16_t*>(data_)[i]}
                             : int64_t{reinterpret_cast<const uint32_t*>(data_)[i]};
  }
  /// `n` tokens from the one at `begin` on.
  TokenSpan part(int64_t begin, int64_t n) const noexcept {
    return {data_ + begin * token_bytes_, n, token_bytes_};
  }

 private:
  const std::byte* data_;
  int64_t size_;
  int token_bytes_;
};

/// A shard, read-only. Const methods are safe from several threads.
class TokenShard {
 public:
  /// Maps the file and checks its sizes and its table of documents, not its tokens (see `verify`).
  /// kNotFound; kCorruptData when it is not such a file; kUnsupported for a later version.
  static std::shared_ptr<const TokenShard> open(const std::filesystem::path& path);
  static std::shared_ptr<const TokenShard> parse(std::shared_ptr<const io::MappedFile> file);

  const ShardInfo& info() const noexcept { return info_; }
  int64_t n_tokens() const noexcept { return info_.n_tokens; }
  int64_t n_documents() const noexcept { return info_.n_documents; }
  /// As it was given, for messages.
  const std::string& path() const noexcept { return file_->path(); }

  /// All documents end to end.
  TokenSpan tokens() const noexcept;
  /// Of one document, 0 <= d < n_documents.
  TokenSpan document(int64_t d) const noexcept;
  /// Where it begins among all tokens; d = n_documents gives n_tokens.
  int64_t document_begin(int64_t d) const noexcept;

  /// Reads everything: kCorruptData when the checksum does not fit or a token is outside the
  /// vocabulary.
  void verify() const;

 private:
  explicit TokenShard(std::shared_ptr<const io::MappedFile> file);

  std::shared_ptr<const io::MappedFile> file_;
  ShardInfo info_;
  const std::byte* tokens_ = nullptr;
  const uint64_t* documents_ = nullptr;
};

/// Whether a file begins as a shard does; false when there is none.
bool is_shard(const std::filesystem::path& file);

/// The first kShardHeaderBytes of a file; `sha256` empty is written as '0's.
constexpr uint64_t kShardHeaderBytes = 256;
std::string shard_header(const ShardInfo& info);
/// Where the table of documents begins.
uint64_t document_table_offset(int64_t n_tokens, int token_bytes);

}  // namespace weir::data
