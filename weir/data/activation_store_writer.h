#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "weir/data/activation_store.h"

namespace weir::data {

struct StoreManifest;

/// What is to be written.
struct StoreLayout {
  std::vector<ActivationSite> sites;
  at::ScalarType dtype = at::kFloat;  ///< kFloat or kBFloat16.
  int64_t context_length = 0;
  /// A shard is closed with the block that brings it to these contexts: that much is in memory, and
  /// at most that much is lost when the process dies.
  int64_t contexts_per_shard = 256;
};

/// Writes a store, and goes on where an earlier try stopped: with the first context that is in no
/// shard. The same blocks give the same files, byte by byte, however often it was killed between.
/// kUnavailable while another process writes the folder.
class ActivationStoreWriter {
 public:
  /// `job`: one line of JSON that says what is being harvested and how; a folder with another job
  /// is refused (kInvalidArgument), a finished one opens with is_complete().
  ActivationStoreWriter(std::filesystem::path folder, const StoreLayout& layout,
                        const std::string& job);
  ~ActivationStoreWriter();

  bool is_complete() const noexcept;
  /// With what is in shards; later blocks too, once they are appended.
  int64_t n_contexts() const noexcept { return n_contexts_; }
  int64_t n_rows() const noexcept { return n_rows_; }
  const DropCounts& dropped() const noexcept { return dropped_; }
  /// Empty in a new folder, until they are set.
  const std::vector<double>& norm_limits() const noexcept { return norm_limits_; }
  void set_norm_limits(const std::vector<double>& limits) { norm_limits_ = limits; }

  /// The contexts that follow on n_contexts().
  void append(const ActivationBlock& block);
  /// Writes the last shard and says that the store is complete.
  void finish();

 private:
  class Lock;
  void resume(const std::string& job);
  void close_shard();

  std::filesystem::path folder_;
  StoreLayout layout_;
  std::unique_ptr<Lock> lock_;
  std::unique_ptr<StoreManifest> manifest_;
  std::vector<ActivationBlock> pending_;
  int64_t n_contexts_ = 0, n_rows_ = 0, n_pending_ = 0;
  DropCounts dropped_;
  std::vector<double> norm_limits_;
};

}  // namespace weir::data
