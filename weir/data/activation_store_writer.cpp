#include "weir/data/activation_store_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/data/store_manifest.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/io/sha256.h"
#include "weir/tensor/convert.h"

namespace weir::data {
namespace {

bool is_same(const std::vector<ActivationSite>& a, const std::vector<ActivationSite>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](const ActivationSite& x, const ActivationSite& y) {
                                              return x.name == y.name && x.width == y.width;
                                            });
}

template <typename Get>
at::Tensor joined(const std::vector<ActivationBlock>& blocks, const Get& get) {
  std::vector<at::Tensor> parts;
  for (const ActivationBlock& block : blocks) parts.push_back(get(block));
  return at::cat(parts);
}

}  // namespace

// The kernel's lock on DIR/.lock: it ends with the process, however that dies.
class ActivationStoreWriter::Lock {
 public:
  explicit Lock(const std::filesystem::path& folder) {
    const std::string file = folder / ".lock";
    descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    const std::string reason =
        errno == EWOULDBLOCK ? "another process is writing it" : std::strerror(errno);
    if (descriptor_ >= 0) ::close(descriptor_);
    fail(ErrorCode::kUnavailable, "{}: {}", folder.string(), reason);
  }
  ~Lock() { ::close(descriptor_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int descriptor_;
};

ActivationStoreWriter::ActivationStoreWriter(std::filesystem::path folder,
                                             const StoreLayout& layout, const std::string& job)
    : folder_(std::move(folder)), layout_(layout), manifest_(std::make_unique<StoreManifest>()) {
  require(!layout.sites.empty() && layout.contexts_per_shard >= 1 && layout.context_length >= 1,
          "store of activations: expected sites, and shards and contexts of at least 1");
  require(layout.dtype == at::kFloat || layout.dtype == at::kBFloat16,
          "store of activations: expected float32 or bfloat16, got {}", dtype_name(layout.dtype));
  std::filesystem::create_directories(folder_);
  lock_ = std::make_unique<Lock>(folder_);
  if (std::filesystem::exists(folder_ / kStoreFile)) {
    resume(job);
    return;
  }
  manifest_->info.sites = layout.sites;
  manifest_->info.dtype = layout.dtype;
  manifest_->info.context_length = layout.context_length;
  manifest_->info.job = io::dump_json(io::parse_json(job, "job of a store"));
}

ActivationStoreWriter::~ActivationStoreWriter() = default;

bool ActivationStoreWriter::is_complete() const noexcept { return manifest_->is_complete; }

void ActivationStoreWriter::resume(const std::string& job) {
  *manifest_ = read_manifest(folder_);
  const StoreInfo& info = manifest_->info;
  const std::string wanted = io::dump_json(io::parse_json(job, "job of a store"));
  require(info.job == wanted && is_same(info.sites, layout_.sites) && info.dtype == layout_.dtype &&
              info.context_length == layout_.context_length,
          "{}: holds another harvest ({}); choose another folder, or remove this one",
          folder_.string(), info.job);
  n_contexts_ = info.n_contexts;
  n_rows_ = info.n_rows;
  dropped_ = info.dropped;
  norm_limits_ = info.norm_limits;
}

void ActivationStoreWriter::append(const ActivationBlock& block) {
  require(!is_complete(), "{}: is complete", folder_.string());
  require(block.first_context == n_contexts_ && block.tokens.size(1) == layout_.context_length &&
              block.rows.activations.size() == layout_.sites.size(),
          "{}: expected context {} next, with {} tokens and {} sites", folder_.string(),
          n_contexts_, layout_.context_length, layout_.sites.size());
  pending_.push_back(block);
  for (at::Tensor& rows : pending_.back().rows.activations) rows = rows.to(layout_.dtype);
  n_contexts_ += block.n_contexts();
  n_pending_ += block.n_contexts();
  n_rows_ += block.rows.size();
  dropped_ += block.dropped;
  if (n_pending_ >= layout_.contexts_per_shard) close_shard();
}

// A shard, then the manifest that names it: what the manifest does not name is written again.
void ActivationStoreWriter::close_shard() {
  const int64_t first_context = n_contexts_ - n_pending_;
  ShardEntry entry;
  std::vector<io::TensorView> views;
  for (size_t site = 0; site < layout_.sites.size(); ++site) {
    const std::string& name = layout_.sites[site].name;
    const at::Tensor rows = joined(
        pending_, [&](const ActivationBlock& block) { return block.rows.activations[site]; });
    ActivationStatistics statistics;
    for (const at::Tensor& piece : rows.split(8192)) statistics.add(piece);
    entry.norm_sum.push_back(statistics.norm_sum);
    entry.square_norm_sum.push_back(statistics.square_norm_sum);
    const at::Tensor sum =
        statistics.n > 0 ? statistics.sum : at::zeros({layout_.sites[site].width}, at::kDouble);
    views.push_back(to_view(name, rows));
    views.push_back(to_view("sum." + name, sum));
    entry.n_rows = rows.size(0);
  }
  const at::Tensor locations = joined(pending_, [&](const ActivationBlock& block) {
    return at::stack({block.rows.contexts - first_context, block.rows.positions}, 1);
  });
  const at::Tensor tokens =
      joined(pending_, [](const ActivationBlock& block) { return block.tokens; });
  views.push_back(to_view("locations", locations.to(at::kInt)));
  views.push_back(to_view("tokens", tokens.to(at::kInt)));
  const auto file = folder_ / shard_name(static_cast<int64_t>(manifest_->shards.size()));
  io::write_safetensors(file, views);
  entry.n_contexts = n_pending_;
  entry.sha256 = io::sha256_file(file);
  manifest_->shards.push_back(std::move(entry));
  StoreInfo& info = manifest_->info;
  info.n_contexts = n_contexts_;
  info.n_rows = n_rows_;
  info.dropped = dropped_;
  info.norm_limits = norm_limits_;
  info.norm_limits.resize(layout_.sites.size(), 0);
  info.dropped.norms_by_site.resize(layout_.sites.size(), 0);
  write_manifest(*manifest_, folder_);
  pending_.clear();
  n_pending_ = 0;
}

void ActivationStoreWriter::finish() {
  if (is_complete()) return;
  if (n_pending_ > 0) close_shard();
  require(n_rows_ > 0, "{}: no activations were kept", folder_.string());
  manifest_->is_complete = true;
  write_manifest(*manifest_, folder_);
}

}  // namespace weir::data
