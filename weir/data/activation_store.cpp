#include "weir/data/activation_store.h"

#include <algorithm>
#include <cstring>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/nearest.h"
#include "weir/data/store_manifest.h"
#include "weir/io/file_tensor.h"
#include "weir/io/safetensors.h"
#include "weir/io/sha256.h"
#include "weir/tensor/convert.h"

namespace weir::data {
namespace {

const io::TensorView& expected_tensor(const io::TensorMap& map, const std::string& name,
                                      io::DType dtype, const std::vector<int64_t>& shape) {
  const io::TensorView* view = map.find(name);
  if (view == nullptr || view->dtype != dtype || view->shape != shape) {
    fail(ErrorCode::kCorruptData, "{}: expected '{}' as {} {}; harvest again", map.source, name,
         io::to_string(dtype), io::shape_text(shape));
  }
  return *view;
}

// Rows of float32 from a file's rows of either type.
void copy_row(const io::TensorView& from, int64_t row, int64_t width, float* out) {
  if (from.dtype == io::DType::kF32) {
    std::memcpy(out, from.data + row * width * 4, static_cast<size_t>(width) * 4);
    return;
  }
  const auto* const halves = reinterpret_cast<const uint16_t*>(from.data) + row * width;
  auto* const bits = reinterpret_cast<uint32_t*>(out);
  for (int64_t i = 0; i < width; ++i) bits[i] = uint32_t{halves[i]} << 16;
}

}  // namespace

std::string shard_name(int64_t shard) { return fmt::format("shard-{:05}.safetensors", shard); }

ActivationStore::Shard ActivationStore::open_shard(const std::filesystem::path& file,
                                                   int64_t n_rows, int64_t n_contexts) {
  const io::TensorMap map = io::read_safetensors(file);
  const io::DType dtype = info_.dtype == at::kFloat ? io::DType::kF32 : io::DType::kBF16;
  Shard shard;
  shard.file = file;
  shard.n_rows = n_rows;
  shard.n_contexts = n_contexts;
  for (size_t i = 0; i < info_.sites.size(); ++i) {
    const auto& [name, width] = info_.sites[i];
    shard.sites.push_back(expected_tensor(map, name, dtype, {n_rows, width}));
    const auto& sum = expected_tensor(map, "sum." + name, io::DType::kF64, {width});
    ActivationStatistics more;
    more.n = n_rows;
    more.sum = to_tensor(sum).clone();
    statistics_[i] += more;
  }
  shard.locations = expected_tensor(map, "locations", io::DType::kI32, {n_rows, 2});
  shard.tokens =
      expected_tensor(map, "tokens", io::DType::kI32, {n_contexts, info_.context_length});
  const auto* const place = reinterpret_cast<const int32_t*>(shard.locations.data);
  for (int64_t row = 0; row < n_rows; ++row) {
    if (place[2 * row] < 0 || place[2 * row] >= n_contexts || place[2 * row + 1] < 0 ||
        place[2 * row + 1] >= info_.context_length) {
      fail(ErrorCode::kCorruptData, "{}: row {} lies in no context; harvest again", file.string(),
           row);
    }
  }
  return shard;
}

std::shared_ptr<const ActivationStore> ActivationStore::open(const std::filesystem::path& folder) {
  const StoreManifest manifest = read_manifest(folder);
  if (!manifest.is_complete) {
    fail(ErrorCode::kUnavailable, "{}: {} rows, not finished; give the harvest's command again",
         folder.string(), manifest.info.n_rows);
  }
  std::shared_ptr<ActivationStore> store(new ActivationStore(folder));
  store->info_ = manifest.info;
  store->statistics_.resize(manifest.info.sites.size());
  int64_t first_row = 0, first_context = 0;
  for (size_t i = 0; i < manifest.shards.size(); ++i) {
    const ShardEntry& entry = manifest.shards[i];
    Shard shard = store->open_shard(folder / shard_name(static_cast<int64_t>(i)), entry.n_rows,
                                    entry.n_contexts);
    shard.sha256 = entry.sha256;
    shard.first_row = first_row;
    shard.first_context = first_context;
    first_row += shard.n_rows;
    first_context += shard.n_contexts;
    for (size_t site = 0; site < store->statistics_.size(); ++site) {
      store->statistics_[site].norm_sum += entry.norm_sum[site];
      store->statistics_[site].square_norm_sum += entry.square_norm_sum[site];
    }
    store->shards_.push_back(std::move(shard));
  }
  if (first_row == 0) fail(ErrorCode::kCorruptData, "{}: holds no rows", folder.string());
  return store;
}

size_t ActivationStore::site(const std::string& name) const {
  std::vector<std::string> names;
  for (size_t i = 0; i < info_.sites.size(); ++i) {
    if (info_.sites[i].name == name) return i;
    names.push_back(info_.sites[i].name);
  }
  fail(ErrorCode::kNotFound, "{}: no activations of '{}'{}", folder_.string(), name,
       did_you_mean(name, names));
}

void ActivationStore::verify() const {
  for (const Shard& shard : shards_) {
    const std::string found = io::sha256_file(shard.file, [](size_t) { throw_if_interrupted(); });
    if (found != shard.sha256) {
      fail(ErrorCode::kCorruptData, "{}: expected the sha256 {}, found {}; harvest again",
           shard.file.string(), shard.sha256, found);
    }
  }
}

const ActivationStore::Shard& ActivationStore::shard_of(int64_t row) const {
  const auto after =
      std::upper_bound(shards_.begin(), shards_.end(), row,
                       [](int64_t wanted, const Shard& shard) { return wanted < shard.first_row; });
  return *(after - 1);
}

ActivationBlock ActivationStore::block(int64_t number) const {
  const Shard& shard = shards_.at(static_cast<size_t>(number));
  std::vector<size_t> sites(info_.sites.size());
  for (size_t i = 0; i < sites.size(); ++i) sites[i] = i;
  ActivationBlock block;
  block.first_context = shard.first_context;
  block.tokens = contexts(shard.first_context, shard.n_contexts);
  block.rows =
      gather(at::arange(shard.first_row, shard.first_row + shard.n_rows, at::kLong), sites);
  return block;
}

ActivationBatch ActivationStore::gather(const at::Tensor& rows,
                                        const std::vector<size_t>& sites) const {
  const int64_t n = rows.size(0);
  const int64_t* const wanted = rows.data_ptr<int64_t>();
  ActivationBatch batch;
  for (const size_t site : sites) {
    batch.activations.push_back(at::empty({n, info_.sites[site].width}, at::kFloat));
  }
  batch.tokens = at::empty({n}, at::kLong);
  batch.positions = at::empty({n}, at::kLong);
  batch.contexts = at::empty({n}, at::kLong);
  at::parallel_for(0, n, 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Shard& shard = shard_of(wanted[i]);
      const int64_t row = wanted[i] - shard.first_row;
      for (size_t k = 0; k < sites.size(); ++k) {
        const int64_t width = info_.sites[sites[k]].width;
        copy_row(shard.sites[sites[k]], row, width,
                 batch.activations[k].data_ptr<float>() + i * width);
      }
      const auto* const place = reinterpret_cast<const int32_t*>(shard.locations.data) + 2 * row;
      const auto* const tokens = reinterpret_cast<const int32_t*>(shard.tokens.data);
      batch.tokens.data_ptr<int64_t>()[i] = tokens[place[0] * info_.context_length + place[1]];
      batch.positions.data_ptr<int64_t>()[i] = place[1];
      batch.contexts.data_ptr<int64_t>()[i] = shard.first_context + place[0];
    }
  });
  return batch;
}

at::Tensor ActivationStore::contexts(int64_t first, int64_t n) const {
  require(first >= 0 && n >= 1 && first + n <= info_.n_contexts,
          "{}: expected some of {} contexts, got {} from {} on", folder_.string(), info_.n_contexts,
          n, first);
  std::vector<at::Tensor> parts;
  for (const Shard& shard : shards_) {
    const int64_t from = std::max(first, shard.first_context) - shard.first_context;
    const int64_t to = std::min(first + n - shard.first_context, shard.n_contexts);
    if (from < to) parts.push_back(to_tensor(shard.tokens).slice(0, from, to));
  }
  return at::cat(parts).to(at::kLong);
}

struct StoredActivations::Plan {
  std::shared_ptr<const ActivationStore> store;
  std::vector<size_t> places;
  std::vector<ActivationSite> sites;
  std::vector<ActivationStatistics> statistics;
  int64_t n_rows;

  Plan(std::shared_ptr<const ActivationStore> from, const ReadOptions& options)
      : store(std::move(from)) {
    const StoreInfo& info = store->info();
    if (options.names.empty()) {
      for (size_t i = 0; i < info.sites.size(); ++i) places.push_back(i);
    }
    for (const std::string& name : options.names) places.push_back(store->site(name));
    for (const size_t place : places) {
      sites.push_back(info.sites[place]);
      statistics.push_back(store->statistics()[place]);
    }
    n_rows = options.n_rows == 0 ? info.n_rows - options.first_row : options.n_rows;
    require(options.first_row >= 0 && n_rows >= 1 && options.first_row + n_rows <= info.n_rows,
            "{}: expected some of {} rows, got {} from {} on", store->folder().string(),
            info.n_rows, n_rows, options.first_row);
  }
};

StoredActivations::StoredActivations(std::shared_ptr<const ActivationStore> store,
                                     const ReadOptions& options)
    : StoredActivations(Plan(std::move(store), options), options) {}

StoredActivations::StoredActivations(Plan plan, const ReadOptions& options)
    : IndexedActivations(std::move(plan.sites), std::move(plan.statistics), plan.n_rows,
                         options.shuffle),
      store_(std::move(plan.store)),
      site_places_(std::move(plan.places)),
      first_row_(options.first_row) {}

ActivationBatch StoredActivations::gather(const at::Tensor& rows) const {
  return store_->gather(rows + first_row_, site_places_);
}

}  // namespace weir::data
