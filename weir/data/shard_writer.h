#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "weir/data/token_shard.h"

namespace weir::data {

/// Writes a shard that appears complete or not at all, and goes on where an earlier try stopped.
///
/// Beside SHARD lie, until it is finished: SHARD.part (header and tokens), SHARD.part.documents
/// (where each document ends) and SHARD.part.json (how much of both is certain, and which documents
/// that is). `record` syncs the first two to the disk, then replaces the third; a try that was
/// killed at any time continues from the last record. Disk trouble is kUnavailable.
class ShardWriter {
 public:
  /// Documents before this one are in the shard.
  struct Place {
    int64_t file = 0;      ///< Of the inputs.
    int64_t document = 0;  ///< Of the file.
  };

  /// `head`: vocab_size, token_bytes and tokenizer_sha256. `job` says what is being written: a try
  /// with another one is not continued but replaced. kUnavailable while another process writes the
  /// same shard.
  ShardWriter(const std::filesystem::path& path, const ShardInfo& head, const std::string& job);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  /// Where to go on; {0, 0} for a new shard.
  Place place() const noexcept { return place_; }
  int64_t n_tokens() const noexcept { return info_.n_tokens; }
  int64_t n_documents() const noexcept { return info_.n_documents; }

  /// Adds ids below the vocabulary's size to the current document.
  void append(const uint32_t* ids, size_t n);
  void end_document();
  /// Makes everything so far certain; between documents only.
  void record(const Place& place);
  /// Adds the table and the checksum, and gives the file its name.
  ShardInfo finish();

 private:
  class File;
  bool resume(const std::string& job);
  void seal();

  std::filesystem::path path_, journal_;
  ShardInfo info_;
  std::string job_;
  Place place_;
  std::unique_ptr<File> tokens_, documents_;
  bool is_finished_ = false;
  std::string narrow_;  ///< Ids on their way into bytes.
};

}  // namespace weir::data
