#include "weir/sae/formats/delphi_cache.h"

#include <algorithm>
#include <charconv>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/atomic_folder.h"
#include "weir/io/file_tensor.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr double kLeastValue = 1e-5;  // delphi's; in size.

struct Split {
  fs::path file;
  int64_t first = 0, last = 0;
};

// "12_24" -> 12, 24; false for another name.
bool parse_range(const std::string& stem, Split* split) {
  const size_t bar = stem.find('_');
  if (bar == stem.npos) return false;
  const char* end = stem.data() + stem.size();
  const auto a = std::from_chars(stem.data(), stem.data() + bar, split->first);
  const auto b = std::from_chars(stem.data() + bar + 1, end, split->last);
  return a.ec == std::errc() && a.ptr == stem.data() + bar && b.ec == std::errc() && b.ptr == end &&
         split->first >= 0 && split->last >= split->first && split->last < (int64_t{1} << 40);
}

std::vector<Split> find_splits(const fs::path& folder) {
  std::vector<Split> splits;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    Split split{entry.path()};
    if (entry.path().extension() != ".safetensors") continue;
    if (parse_range(entry.path().stem(), &split)) splits.push_back(split);
  }
  std::sort(splits.begin(), splits.end(),
            [](const Split& a, const Split& b) { return a.first < b.first; });
  if (splits.empty()) {
    fail(ErrorCode::kNotFound, "no latent cache in {}: expected files such as 0_3276.safetensors",
         folder.string());
  }
  for (size_t i = 1; i < splits.size(); ++i) {
    if (splits[i].first > splits[i - 1].last) continue;
    fail(ErrorCode::kCorruptData, "{} and {} hold the same latents", splits[i - 1].file.string(),
         splits[i].file.filename().string());
  }
  return splits;
}

// Every location must name a row, a position and a latent that are there.
void check_locations(const Split& split, const at::Tensor& locations, const at::Tensor& tokens) {
  if (locations.size(0) == 0) return;
  const at::Tensor most = locations.amax(0), least = locations.amin(0);
  const int64_t bounds[] = {tokens.size(0), tokens.size(1), split.last - split.first + 1};
  for (int64_t i = 0; i < 3; ++i) {
    if (least[i].item<int64_t>() >= 0 && most[i].item<int64_t>() < bounds[i]) continue;
    fail(ErrorCode::kCorruptData,
         "{}: a location lies beyond its {} rows, {} positions or {} latents", split.file.string(),
         bounds[0], bounds[1], bounds[2]);
  }
}

void read_split(const Split& split, LatentCache* cache, std::vector<at::Tensor>* locations,
                std::vector<at::Tensor>* values) {
  const io::TensorMap map = io::read_safetensors(split.file);
  const at::Tensor place = to_tensor(map.at("locations")).to(at::kLong);
  const at::Tensor value = to_tensor(map.at("activations")).to(at::kFloat);
  if (map.find("tokens") != nullptr) {
    const at::Tensor tokens = to_tensor(map.at("tokens")).to(at::kLong).clone();
    const bool is_same = !cache->tokens.defined() || cache->tokens.equal(tokens);
    if (!is_same || tokens.dim() != 2) {
      fail(ErrorCode::kCorruptData, "{}: other tokens than the files before", split.file.string());
    }
    cache->tokens = tokens;
  }
  const bool fits = place.dim() == 2 && place.size(1) == 3 && value.dim() == 1 &&
                    value.size(0) == place.size(0) && cache->tokens.defined();
  if (!fits) {
    fail(ErrorCode::kCorruptData,
         "{}: expected locations [n, 3], activations [n] and tokens [N, T]; delphi saves tokens "
         "unless told not to",
         split.file.string());
  }
  check_locations(split, place, cache->tokens);
  at::Tensor shift = at::zeros({3}, at::kLong);
  shift[2] = split.first;
  locations->push_back(place + shift);
  values->push_back(value);
}

// By row, position, latent.
void sort(LatentCache* cache) {
  const at::Tensor& place = cache->locations;
  const at::Tensor key =
      (place.select(1, 0) * cache->tokens.size(1) + place.select(1, 1)) * cache->d_sae +
      place.select(1, 2);
  const at::Tensor order = key.argsort();
  cache->locations = place.index_select(0, order);
  cache->activations = cache->activations.index_select(0, order);
}

template <class Integer>
io::TensorView as_unsigned(const at::Tensor& locations, io::DType type) {
  const at::Tensor wide = locations.to(at::kLong).contiguous();
  const auto n = static_cast<size_t>(wide.numel());
  auto bytes = io::allocate_tensor(n * sizeof(Integer));
  auto* out = reinterpret_cast<Integer*>(bytes.get());
  const auto* from = wide.data_ptr<int64_t>();
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<Integer>(from[i]);
  return {"locations", type, wide.sizes().vec(), bytes.get(), n * sizeof(Integer), bytes};
}

void write_split(const LatentCache& cache, int64_t first, int64_t end, const fs::path& folder) {
  const at::Tensor latent = cache.locations.select(1, 2);
  const at::Tensor here =
      latent.ge(first) & latent.lt(end) & cache.activations.abs().gt(kLeastValue);
  const at::Tensor chosen = here.nonzero().squeeze(1);
  at::Tensor places = cache.locations.index_select(0, chosen).to(at::kLong).clone();
  places.select(1, 2).sub_(first);
  const at::Tensor values = cache.activations.index_select(0, chosen).to(at::kHalf);
  const int64_t most = places.numel() == 0 ? 0 : places.max().item<int64_t>();
  const io::TensorView locations = most < (1 << 16)
                                       ? as_unsigned<uint16_t>(places, io::DType::kU16)
                                       : as_unsigned<uint32_t>(places, io::DType::kU32);
  io::write_safetensors(folder / fmt::format("{}_{}.safetensors", first, end - 1),
                        {locations, to_view("activations", values),
                         to_view("tokens", cache.tokens.to(at::kLong).contiguous())});
}

}  // namespace

LatentCache read_delphi_cache(const fs::path& folder) {
  LatentCache cache;
  std::vector<at::Tensor> locations, values;
  for (const Split& split : find_splits(folder)) {
    read_split(split, &cache, &locations, &values);
    cache.d_sae = split.last + 1;
  }
  cache.locations = at::cat(locations);
  cache.activations = at::cat(values);
  sort(&cache);
  return cache;
}

void write_delphi_cache(const LatentCache& cache, const fs::path& folder,
                        const LatentCacheOrigin& origin, int64_t n_splits) {
  require(n_splits > 0 && n_splits <= cache.d_sae, "{} files cannot share {} latents", n_splits,
          cache.d_sae);
  io::AtomicFolder files(folder);
  for (int64_t i = 0; i < n_splits; ++i) {
    write_split(cache, cache.d_sae * i / n_splits, cache.d_sae * (i + 1) / n_splits, files.path());
  }
  const nlohmann::ordered_json config = {{"dataset_repo", origin.dataset},
                                         {"dataset_split", origin.split},
                                         {"dataset_name", ""},
                                         {"dataset_column", origin.column},
                                         {"batch_size", origin.batch_size},
                                         {"cache_ctx_len", cache.tokens.size(1)},
                                         {"n_tokens", cache.tokens.numel()},
                                         {"n_splits", n_splits},
                                         {"model_name", origin.model}};
  io::write_file(files.path() / "config.json", io::dump_json(config, 4) + "\n");
  files.commit("config.json");
}

}  // namespace weir
