#include "weir/data/shard_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/io/little_endian.h"
#include "weir/io/mapped_file.h"
#include "weir/io/sha256.h"

namespace weir::data {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

std::filesystem::path beside(const std::filesystem::path& path, const char* ending) {
  std::filesystem::path name = path;
  name += ending;
  return name;
}

}  // namespace

/// A file that outlives the process, written at its end.
class ShardWriter::File {
 public:
  explicit File(std::filesystem::path path) : path_(std::move(path)) {
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    descriptor_ = ::open(path_.c_str(), flags, 0666);
    if (descriptor_ < 0) fail_to("opened");
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    const bool is_taken = errno == EWOULDBLOCK;
    const std::string reason = std::strerror(errno);
    ::close(descriptor_);
    fail(ErrorCode::kUnavailable, "{}: {}", path_.string(),
         is_taken ? "another process is writing it" : reason);
  }
  ~File() { ::close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::filesystem::path& path() const { return path_; }

  uint64_t size() const {
    const off_t end = ::lseek(descriptor_, 0, SEEK_END);
    if (end < 0) fail_to("read");
    return static_cast<uint64_t>(end);
  }
  void cut(uint64_t size) {
    if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail_to("cut");
    if (::lseek(descriptor_, 0, SEEK_END) < 0) fail_to("read");
  }
  void write(std::string_view bytes) {
    pending_ += bytes;
    if (pending_.size() >= kPieceBytes) flush();
  }
  void flush() {
    for (std::string_view rest = pending_; !rest.empty();) {
      const ssize_t count = ::write(descriptor_, rest.data(), rest.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail_to("written");
      rest.remove_prefix(static_cast<size_t>(count));
    }
    pending_.clear();
  }
  void sync() {
    flush();
    if (::fsync(descriptor_) != 0) fail_to("synced");
  }
  void overwrite_start(std::string_view bytes) {
    if (::lseek(descriptor_, 0, SEEK_SET) < 0) fail_to("written");
    write(bytes);
    sync();
  }
  void rename(const std::filesystem::path& name) {
    if (::rename(path_.c_str(), name.c_str()) != 0) fail_to("renamed into place");
  }

 private:
  [[noreturn]] void fail_to(const char* action) const {
    fail(ErrorCode::kUnavailable, "{}: cannot be {}: {}", path_.string(), action,
         std::strerror(errno));
  }

  std::filesystem::path path_;
  std::string pending_;
  int descriptor_ = -1;
};

ShardWriter::ShardWriter(const std::filesystem::path& path, const ShardInfo& head,
                         const std::string& job)
    : path_(path), journal_(beside(path, ".part.json")), info_(head), job_(job) {
  require(head.vocab_size >= 1 && (head.token_bytes == 2 || head.token_bytes == 4) &&
              head.vocab_size <= int64_t{1} << (8 * head.token_bytes),
          "{}: expected a vocabulary that fits into 2 or 4 bytes, got {} ids in {}", path.string(),
          head.vocab_size, head.token_bytes);
  std::error_code ignored;
  require(!std::filesystem::is_directory(path, ignored), "{}: expected a file, found a folder",
          path.string());
  info_.n_tokens = info_.n_documents = 0;
  tokens_ = std::make_unique<File>(beside(path, ".part"));
  documents_ = std::make_unique<File>(beside(path, ".part.documents"));
  if (resume(job)) return;
  std::filesystem::remove(journal_, ignored);
  info_.n_tokens = info_.n_documents = 0;
  place_ = {};
  tokens_->cut(0);
  documents_->cut(0);
  tokens_->write(std::string(kShardHeaderBytes, '\0'));
}

// A try that recorded nothing leaves nothing.
ShardWriter::~ShardWriter() {
  std::error_code ignored;
  if (std::filesystem::exists(journal_, ignored) || is_finished_) return;
  std::filesystem::remove(tokens_->path(), ignored);
  std::filesystem::remove(documents_->path(), ignored);
}

// What the journal calls certain must be there; what came after it is cut off.
bool ShardWriter::resume(const std::string& job) {
  std::error_code ignored;
  if (!std::filesystem::exists(journal_, ignored)) return false;
  try {
    const nlohmann::json journal = io::read_json(journal_);
    const auto number = [&](const char* key) {
      return io::get_int(journal, key, 0, int64_t{1} << 48, journal_.string());
    };
    info_.n_tokens = number("tokens");
    info_.n_documents = number("documents");
    place_ = {number("file"), number("document")};
    if (io::get_string(journal, "job", journal_.string()) != job) {
      log::warn("{}: begun with other inputs or options; starting anew", journal_.string());
      return false;
    }
  } catch (const Error& error) {
    log::warn("{}; starting anew", error.what());
    return false;
  }
  const uint64_t n_token_bytes = kShardHeaderBytes + info_.n_tokens * info_.token_bytes;
  const uint64_t n_document_bytes = info_.n_documents * sizeof(uint64_t);
  if (tokens_->size() < n_token_bytes || documents_->size() < n_document_bytes) {
    log::warn("{}: shorter than its journal says; starting anew", tokens_->path().string());
    return false;
  }
  tokens_->cut(n_token_bytes);
  documents_->cut(n_document_bytes);
  return true;
}

void ShardWriter::append(const uint32_t* ids, size_t n) {
  narrow_.clear();
  if (info_.token_bytes == 4) {
    narrow_.assign(reinterpret_cast<const char*>(ids), n * sizeof(uint32_t));
  } else {
    for (size_t i = 0; i < n; ++i) io::store(&narrow_, static_cast<uint16_t>(ids[i]));
  }
  tokens_->write(narrow_);
  info_.n_tokens += static_cast<int64_t>(n);
}

void ShardWriter::end_document() {
  std::string end;
  io::store(&end, static_cast<uint64_t>(info_.n_tokens));
  documents_->write(end);
  ++info_.n_documents;
}

void ShardWriter::record(const Place& place) {
  tokens_->sync();
  documents_->sync();
  place_ = place;
  const nlohmann::ordered_json journal = {{"job", job_},
                                          {"tokens", info_.n_tokens},
                                          {"documents", info_.n_documents},
                                          {"file", place.file},
                                          {"document", place.document}};
  io::write_file(journal_, io::dump_json(journal) + "\n");
}

// The table of documents behind the tokens, then the header with the checksum of it all.
void ShardWriter::seal() {
  const uint64_t end = kShardHeaderBytes + info_.n_tokens * info_.token_bytes;
  std::string start(document_table_offset(info_.n_tokens, info_.token_bytes) - end, '\0');
  io::store(&start, uint64_t{0});
  tokens_->write(start);
  const auto table = io::MappedFile::open(documents_->path());
  for (std::string_view rest = table->bytes(); !rest.empty();) {
    tokens_->write(rest.substr(0, kPieceBytes));
    rest.remove_prefix(std::min(rest.size(), kPieceBytes));
  }
  tokens_->flush();
  io::Sha256 hash;
  info_.sha256.clear();
  hash.update(shard_header(info_));
  const auto file = io::MappedFile::open(tokens_->path());
  for (std::string_view rest = file->bytes().substr(kShardHeaderBytes); !rest.empty();) {
    hash.update(rest.substr(0, kPieceBytes));
    rest.remove_prefix(std::min(rest.size(), kPieceBytes));
  }
  info_.sha256 = hash.finish();
  tokens_->overwrite_start(shard_header(info_));
}

ShardInfo ShardWriter::finish() {
  documents_->flush();
  seal();
  tokens_->rename(path_);
  is_finished_ = true;
  // Without its part the journal means nothing: a kill between these leaves nothing that is used.
  std::error_code ignored;
  std::filesystem::remove(journal_, ignored);
  std::filesystem::remove(documents_->path(), ignored);
  return info_;
}

}  // namespace weir::data
