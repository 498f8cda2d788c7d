#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// The latent cache of EleutherAI's delphi (0.1): per module a folder of files
/// START_END.safetensors (latents START to END, both included) with `locations` [n, 3] (row,
/// position, latent - START; uint16 where all fit, else uint32), `activations` [n] float16 and
/// `tokens` [N, T] int64, and a config.json.
namespace weir {

/// Latents that fired in N rows of T tokens: a list, ordered by row, position, latent.
struct LatentCache {
  at::Tensor locations;    ///< int64 [n, 3]: row, position, latent.
  at::Tensor activations;  ///< [n] float32
  at::Tensor tokens;       ///< int64 [N, T]
  int64_t d_sae = 0;
};

/// What delphi keeps of where a cache comes from.
struct LatentCacheOrigin {
  std::string model, dataset, split = "train", column = "text";
  int64_t batch_size = 1;
};

/// Reads all files of one module's folder. kCorruptData for latents or positions beyond what names
/// and tokens say, ranges that overlap, or files whose tokens differ; d_sae is one past the last
/// range.
LatentCache read_delphi_cache(const std::filesystem::path& folder);

/// Writes `n_splits` files of equally many latents (delphi's rule: np.linspace over them) and
/// config.json into a new folder. Values become float16; what is smaller than 1e-5 in size is left
/// out, as delphi does. kInvalidArgument for more splits than latents.
void write_delphi_cache(const LatentCache& cache, const std::filesystem::path& folder,
                        const LatentCacheOrigin& origin, int64_t n_splits = 5);

}  // namespace weir
