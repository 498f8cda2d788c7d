#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sae/formats/golden_files.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "weir/base/error.h"
#include "weir/sae/formats/delphi_cache.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

fs::path golden_cache() {
  const fs::path topic = formats_topic() / "delphi_cache";
  for (const std::string& name : folders_with(topic, "config.json")) return topic / name;
  return topic;
}

at::Tensor as_dense(const LatentCache& cache) {
  const at::Tensor dense =
      at::zeros({cache.tokens.size(0), cache.tokens.size(1), cache.d_sae}, at::kFloat);
  return dense.index_put(
      {cache.locations.select(1, 0), cache.locations.select(1, 1), cache.locations.select(1, 2)},
      cache.activations);
}

TEST(GoldenSaeFormatsDelphi, CacheIsWhatWentIn) {
  const auto tensors = read_all(formats_topic() / "cases.safetensors");
  const LatentCache cache = read_delphi_cache(golden_cache());
  EXPECT_TRUE(cache.tokens.equal(tensors.at("delphi.tokens")));
  const at::Tensor latents = tensors.at("delphi.latents");
  ASSERT_EQ(cache.d_sae, latents.size(-1));
  // What is below 1e-5 is dropped; values are float16.
  const at::Tensor kept = (latents * (latents.abs() > 1e-5)).to(at::kHalf).to(at::kFloat);
  EXPECT_EQ(max_difference(as_dense(cache), kept), 0);
}

TEST(GoldenSaeFormatsDelphi, WrittenFilesAreThoseOfDelphi) {
  const auto tensors = read_all(formats_topic() / "cases.safetensors");
  const at::Tensor latents = tensors.at("delphi.latents");
  const at::Tensor fires = latents.nonzero();
  const LatentCache cache{fires, latents.masked_select(latents != 0), tensors.at("delphi.tokens"),
                          latents.size(-1)};
  const nlohmann::json config = io::read_json(golden_cache() / "config.json");
  const fs::path folder = fs::path(testing::TempDir()) / ("delphi_" + std::to_string(getpid()));
  fs::remove_all(folder);
  LatentCacheOrigin origin{config["model_name"], config["dataset_repo"], config["dataset_split"],
                           config["dataset_column"], config["batch_size"]};
  write_delphi_cache(cache, folder, origin, config["n_splits"].get<int64_t>());
  EXPECT_EQ(io::read_json(folder / "config.json"), config);
  for (const auto& entry : fs::directory_iterator(golden_cache())) {
    if (entry.path().extension() != ".safetensors") continue;
    const io::TensorMap expected = io::read_safetensors(entry.path());
    const io::TensorMap found = io::read_safetensors(folder / entry.path().filename());
    ASSERT_EQ(found.tensors.size(), expected.tensors.size());
    for (const io::TensorView& tensor : expected.tensors) {
      const io::TensorView& ours = found.at(tensor.name);
      EXPECT_EQ(ours.dtype, tensor.dtype) << tensor.name;
      EXPECT_EQ(ours.shape, tensor.shape) << tensor.name;
      EXPECT_EQ(max_difference(to_tensor(ours), to_tensor(tensor)), 0) << tensor.name;
    }
  }
}

TEST(DelphiCache, LocationsBeyondTheTokensAreRefused) {
  const fs::path folder = fs::path(testing::TempDir()) / ("delphi_bad_" + std::to_string(getpid()));
  fs::remove_all(folder);
  LatentCache cache{at::zeros({1, 3}, at::kLong), at::ones({1}), at::zeros({2, 4}, at::kLong), 8};
  cache.locations[0][1] = 4;
  write_delphi_cache(cache, folder, {}, 2);
  try {
    read_delphi_cache(folder);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("beyond"));
  }
  EXPECT_THROW(read_delphi_cache(fs::path(testing::TempDir()) / "nothing_here"), Error);
}

}  // namespace
}  // namespace weir
