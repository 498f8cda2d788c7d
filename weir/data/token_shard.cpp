#include "weir/data/token_shard.h"

#include <algorithm>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/io/little_endian.h"
#include "weir/io/printable.h"
#include "weir/io/sha256.h"

namespace weir::data {
namespace {

constexpr std::string_view kMagic = "WEIRTOKS";
constexpr uint32_t kVersion = 1;
constexpr size_t kHashDigits = 64;
constexpr uint64_t kTokenizerOffset = 40, kChecksumOffset = 104, kUnusedOffset = 168;
constexpr uint64_t kMostTokens = uint64_t{1} << 48;  // Keeps every sum of sizes within 64 bits.

std::string hash_field(const std::string& hash) {
  return hash.empty() ? std::string(kHashDigits, '0') : hash;
}

std::string read_hash(std::string_view bytes, uint64_t place, const std::string& what) {
  const std::string_view hash = bytes.substr(place, kHashDigits);
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!std::all_of(hash.begin(), hash.end(), is_digit)) {
    fail(ErrorCode::kCorruptData, "{}: expected a hash of 64 hex digits at byte {}, found '{}'",
         what, place, io::printable(hash));
  }
  const bool is_none = hash.find_first_not_of('0') == std::string_view::npos;
  return is_none ? "" : std::string(hash);
}

ShardInfo read_header(std::string_view bytes, const std::string& what) {
  if (bytes.size() < kShardHeaderBytes || bytes.substr(0, kMagic.size()) != kMagic) {
    fail(ErrorCode::kCorruptData,
         "{}: expected a shard of tokens (it begins with WEIRTOKS); `weir data tokenize` makes one",
         what);
  }
  const auto version = io::load<uint32_t>(bytes, 8);
  if (version != kVersion) {
    fail(ErrorCode::kUnsupported, "{}: expected version {} of the shard format, found {}", what,
         kVersion, version);
  }
  const auto token_bytes = io::load<uint32_t>(bytes, 12);
  const auto vocab_size = io::load<uint64_t>(bytes, 16);
  const auto n_tokens = io::load<uint64_t>(bytes, 24), n_documents = io::load<uint64_t>(bytes, 32);
  const bool is_wide = token_bytes == 4;
  if ((!is_wide && token_bytes != 2) || vocab_size == 0 ||
      vocab_size > (uint64_t{1} << (8 * token_bytes))) {
    fail(ErrorCode::kCorruptData,
         "{}: expected tokens of 2 or 4 bytes that hold the vocabulary, found {} bytes for {} ids",
         what, token_bytes, vocab_size);
  }
  if (n_tokens > kMostTokens || n_documents > kMostTokens) {
    fail(ErrorCode::kCorruptData, "{}: expected fewer than 2^48 tokens and documents", what);
  }
  if (bytes.substr(kUnusedOffset, kShardHeaderBytes - kUnusedOffset).find_first_not_of('\0') !=
      std::string_view::npos) {
    fail(ErrorCode::kCorruptData, "{}: expected zeros from byte {} to {}", what, kUnusedOffset,
         kShardHeaderBytes);
  }
  ShardInfo info;
  info.vocab_size = static_cast<int64_t>(vocab_size);
  info.n_tokens = static_cast<int64_t>(n_tokens);
  info.n_documents = static_cast<int64_t>(n_documents);
  info.token_bytes = static_cast<int>(token_bytes);
  info.tokenizer_sha256 = read_hash(bytes, kTokenizerOffset, what);
  info.sha256 = read_hash(bytes, kChecksumOffset, what);
  return info;
}

}  // namespace

bool is_shard(const std::filesystem::path& file) {
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(file, unreadable)) return false;
  return io::MappedFile::open(file)->bytes().substr(0, kMagic.size()) == kMagic;
}

std::string shard_header(const ShardInfo& info) {
  std::string header(kMagic);
  io::store(&header, kVersion);
  io::store(&header, static_cast<uint32_t>(info.token_bytes));
  io::store(&header, static_cast<uint64_t>(info.vocab_size));
  io::store(&header, static_cast<uint64_t>(info.n_tokens));
  io::store(&header, static_cast<uint64_t>(info.n_documents));
  header += hash_field(info.tokenizer_sha256);
  header += hash_field(info.sha256);
  header.resize(kShardHeaderBytes, '\0');
  return header;
}

uint64_t document_table_offset(int64_t n_tokens, int token_bytes) {
  const uint64_t end = kShardHeaderBytes + static_cast<uint64_t>(n_tokens) * token_bytes;
  return (end + 7) / 8 * 8;
}

std::shared_ptr<const TokenShard> TokenShard::open(const std::filesystem::path& path) {
  return parse(io::MappedFile::open(path));
}

std::shared_ptr<const TokenShard> TokenShard::parse(std::shared_ptr<const io::MappedFile> file) {
  return std::shared_ptr<const TokenShard>(new TokenShard(std::move(file)));
}

TokenShard::TokenShard(std::shared_ptr<const io::MappedFile> file) : file_(std::move(file)) {
  info_ = read_header(file_->bytes(), path());
  const uint64_t table = document_table_offset(info_.n_tokens, info_.token_bytes);
  const uint64_t expected = table + 8 * (static_cast<uint64_t>(info_.n_documents) + 1);
  if (file_->size() != expected) {
    fail(ErrorCode::kCorruptData,
         "{}: expected {} bytes for {} tokens in {} documents, found {}; tokenise again", path(),
         expected, info_.n_tokens, info_.n_documents, file_->size());
  }
  tokens_ = file_->data() + kShardHeaderBytes;
  documents_ = reinterpret_cast<const uint64_t*>(file_->data() + table);
  const uint64_t* end = documents_ + info_.n_documents;
  if (documents_[0] != 0 || *end != static_cast<uint64_t>(info_.n_tokens) ||
      !std::is_sorted(documents_, end + 1)) {
    fail(ErrorCode::kCorruptData,
         "{}: expected the table of documents to rise from 0 to {}; tokenise again", path(),
         info_.n_tokens);
  }
}

TokenSpan TokenShard::tokens() const noexcept {
  return {tokens_, info_.n_tokens, info_.token_bytes};
}

TokenSpan TokenShard::document(int64_t d) const noexcept {
  const int64_t begin = document_begin(d);
  return tokens().part(begin, document_begin(d + 1) - begin);
}

int64_t TokenShard::document_begin(int64_t d) const noexcept {
  return static_cast<int64_t>(documents_[d]);
}

void TokenShard::verify() const {
  constexpr size_t kPieceBytes = size_t{1} << 22;
  io::Sha256 hash;
  ShardInfo unsigned_info = info_;
  unsigned_info.sha256.clear();
  hash.update(shard_header(unsigned_info));
  for (std::string_view rest = file_->bytes().substr(kShardHeaderBytes); !rest.empty();) {
    const std::string_view piece = rest.substr(0, kPieceBytes);
    hash.update(piece);
    rest.remove_prefix(piece.size());
    throw_if_interrupted();
  }
  const std::string found = hash.finish();
  if (found != info_.sha256) {
    fail(ErrorCode::kCorruptData, "{}: expected the sha256 {}, found {}; tokenise again", path(),
         info_.sha256, found);
  }
  const TokenSpan all = tokens();
  for (int64_t i = 0; i < all.size(); ++i) {
    if (all[i] >= info_.vocab_size) {
      fail(ErrorCode::kCorruptData, "{}: expected tokens below {}, found {} at place {}", path(),
           info_.vocab_size, all[i], i);
    }
  }
}

}  // namespace weir::data
