#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/ScalarType.h>

#include "weir/data/activation_block.h"
#include "weir/data/tensor_activations.h"
#include "weir/io/tensor_view.h"

/// Activations on disk: a folder of safetensors files that are mapped, not read.
///
///     activations.json          what was harvested and how; the shards with their checksums
///     shard-00000.safetensors   of C contexts of T tokens and the n rows kept of them:
///         NAME                  float32 or bfloat16 [n, d], for each site by its name
///         locations             int32 [n, 2]: context (in this shard) and position of each row
///         tokens                int32 [C, T]; -1 behind the end of a context
///         sum.NAME              float64 [d]: of the site's rows
///
/// `locations` and `tokens` are as in delphi's caches of latents; any reader of safetensors reads
/// it. Written by ActivationStoreWriter.
namespace weir::data {

struct StoreInfo {
  std::vector<ActivationSite> sites;
  at::ScalarType dtype = at::kFloat;  ///< kFloat or kBFloat16.
  int64_t context_length = 0;         ///< T
  int64_t n_contexts = 0, n_rows = 0;
  DropCounts dropped;
  std::vector<double> norm_limits;  ///< Of each site: rows above it were left out; 0: no limit.
  std::string job;                  ///< How it was made, as one line of JSON.
};

/// A finished store, read-only. Const methods are safe from several threads.
class ActivationStore {
 public:
  /// Maps every shard and checks sizes and shapes, not the checksums (see `verify`). kNotFound;
  /// kUnavailable when the harvest was not finished; kCorruptData.
  static std::shared_ptr<const ActivationStore> open(const std::filesystem::path& folder);

  const StoreInfo& info() const noexcept { return info_; }
  const std::vector<ActivationStatistics>& statistics() const noexcept { return statistics_; }
  const std::filesystem::path& folder() const noexcept { return folder_; }
  /// The place of a site; kNotFound names the nearest.
  size_t site(const std::string& name) const;
  /// Reads everything: kCorruptData names the shard whose checksum does not fit.
  void verify() const;

  int64_t n_blocks() const noexcept { return static_cast<int64_t>(shards_.size()); }
  /// The contexts and rows of a shard, of all sites; `dropped` is left empty.
  ActivationBlock block(int64_t shard) const;
  /// Rows by number, of the sites with these places.
  ActivationBatch gather(const at::Tensor& rows, const std::vector<size_t>& sites) const;
  /// int64 [n, T]: contexts first .. first + n - 1.
  at::Tensor contexts(int64_t first, int64_t n) const;

 private:
  struct Shard {
    std::filesystem::path file;
    std::string sha256;
    int64_t first_row = 0, n_rows = 0, first_context = 0, n_contexts = 0;
    std::vector<io::TensorView> sites;
    io::TensorView locations, tokens;
  };
  explicit ActivationStore(std::filesystem::path folder) : folder_(std::move(folder)) {}
  Shard open_shard(const std::filesystem::path& file, int64_t n_rows, int64_t n_contexts);
  const Shard& shard_of(int64_t row) const;

  std::filesystem::path folder_;
  StoreInfo info_;
  std::vector<Shard> shards_;
  std::vector<ActivationStatistics> statistics_;
};

struct ReadOptions {
  std::vector<std::string> names;  ///< Sites, in this order; empty: all.
  ShuffleOptions shuffle;
  /// Rows [first_row, first_row + n_rows) alone; n_rows 0: all that follow. Rows lie in the order
  /// of the corpus, so that a part at the end holds texts of its own.
  int64_t first_row = 0, n_rows = 0;
};

/// The rows of a store as a source. Statistics are those of the whole store. Memory: a batch; the
/// system keeps what it can of the files.
class StoredActivations final : public IndexedActivations {
 public:
  explicit StoredActivations(std::shared_ptr<const ActivationStore> store,
                             const ReadOptions& options = {});

 private:
  struct Plan;
  StoredActivations(Plan plan, const ReadOptions& options);
  ActivationBatch gather(const at::Tensor& rows) const override;

  std::shared_ptr<const ActivationStore> store_;
  std::vector<size_t> site_places_;
  int64_t first_row_;
};

/// Where the description lies in a store's folder.
constexpr const char* kStoreFile = "activations.json";
/// "shard-00012.safetensors"
std::string shard_name(int64_t shard);

}  // namespace weir::data
