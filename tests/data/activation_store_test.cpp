#include "weir/data/activation_store.h"

#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/refusal.h"
#include "weir/base/error.h"
#include "weir/data/activation_store_writer.h"
#include "weir/io/mapped_file.h"

namespace weir::data {
namespace {

constexpr int64_t kLength = 8;
const char* const kJob = R"({"model": "made"})";

std::filesystem::path fresh(const std::string& name) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / ("activation-store-" + name);
  std::filesystem::remove_all(folder);
  return folder;
}

StoreLayout layout(at::ScalarType dtype = at::kFloat) {
  return {{{"a", 3}, {"b", 5}}, dtype, kLength, 4};
}

// Contexts first .. first + n - 1: every value is made of its context, position and place; the
// first position is left out.
ActivationBlock made_block(int64_t first, int64_t n) {
  ActivationBlock block;
  block.first_context = first;
  const at::Tensor context = at::arange(first, first + n, at::kLong).unsqueeze(1);
  block.tokens = context * 100 + at::arange(kLength, at::kLong);
  const at::Tensor kept = block.tokens.slice(1, 1).reshape({-1});
  block.rows.tokens = kept;
  block.rows.positions = kept % 100;
  block.rows.contexts = kept.floor_divide(100);
  const at::Tensor values = kept.to(at::kFloat).unsqueeze(1) / 64;
  block.rows.activations = {values * at::arange(1, 4), -values * at::arange(1, 6)};
  block.dropped.n_tokens = n * kLength;
  block.dropped.positions = n;
  block.dropped.norms_by_site = {0, 0};
  return block;
}

void write(const std::filesystem::path& folder, int64_t from, int64_t to, bool finish,
           at::ScalarType dtype = at::kFloat) {
  ActivationStoreWriter writer(folder, layout(dtype), kJob);
  if (writer.norm_limits().empty()) writer.set_norm_limits({10, 20});
  EXPECT_EQ(writer.n_contexts(), from);
  for (int64_t i = from; i < to; ++i) writer.append(made_block(i, 1));
  if (finish) writer.finish();
}

std::string bytes_of(const std::filesystem::path& file) {
  return std::string(io::MappedFile::open(file)->bytes());
}

TEST(ActivationStore, GivesBackWhatWasWritten) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const auto folder = fresh("whole");
    write(folder, 0, 10, true, dtype);
    const auto store = ActivationStore::open(folder);
    store->verify();
    EXPECT_EQ(store->n_blocks(), 3);
    EXPECT_EQ(store->info().n_contexts, 10);
    EXPECT_EQ(store->info().n_rows, 70);
    EXPECT_EQ(store->info().dropped.n_kept(), 70);
    EXPECT_EQ(store->info().norm_limits, (std::vector<double>{10, 20}));
    ReadOptions read;
    read.names = {"b", "a"};
    read.shuffle.shuffle = false;
    StoredActivations source(store, read);
    const ActivationBlock expected = made_block(0, 10);
    const ActivationBatch rows = source.next(70);
    const auto stored = [&](const at::Tensor& x) { return x.to(dtype).to(at::kFloat); };
    EXPECT_TRUE(rows.activations[1].equal(stored(expected.rows.activations[0])));
    EXPECT_TRUE(rows.activations[0].equal(stored(expected.rows.activations[1])));
    EXPECT_TRUE(rows.tokens.equal(expected.rows.tokens));
    EXPECT_TRUE(rows.positions.equal(expected.rows.positions));
    EXPECT_TRUE(rows.contexts.equal(expected.rows.contexts));
    EXPECT_TRUE(store->contexts(3, 4).equal(expected.tokens.slice(0, 3, 7)));
    const ActivationBlock last = store->block(2);
    EXPECT_EQ(last.first_context, 8);
    EXPECT_TRUE(last.rows.activations[0].equal(stored(expected.rows.activations[0].slice(0, 56))));
    ActivationStatistics direct;
    direct.add(rows.activations[1]);
    EXPECT_NEAR(store->statistics()[0].norm_factor(), direct.norm_factor(), 1e-12);
    EXPECT_LT((store->statistics()[0].mean() - direct.mean()).abs().max().item<double>(), 1e-12);
  }
}

TEST(ActivationStore, StoppedAndContinuedIsTheSame) {
  const auto whole = fresh("uninterrupted"), parts = fresh("interrupted");
  write(whole, 0, 10, true);
  write(parts, 0, 6, false);  // Contexts 4 and 5 are in no shard yet.
  EXPECT_THROW(ActivationStore::open(parts), Error);
  std::ofstream(parts / "shard-00001.safetensors") << "half of a file";
  write(parts, 4, 10, true);
  for (const char* file : {"activations.json", "shard-00000.safetensors", "shard-00001.safetensors",
                           "shard-00002.safetensors"}) {
    EXPECT_EQ(bytes_of(whole / file), bytes_of(parts / file)) << file;
  }
}

TEST(ActivationStore, RefusesAnotherHarvest) {
  const auto folder = fresh("other");
  write(folder, 0, 6, false);
  EXPECT_NE(weir::testing::refusal([&] {
              ActivationStoreWriter writer(folder, layout(), R"({"model": "another"})");
            }).find("holds another harvest"),
            std::string::npos);
  EXPECT_NE(weir::testing::refusal([&] {
              ActivationStoreWriter writer(folder, layout(at::kBFloat16), kJob);
            }).find("holds another harvest"),
            std::string::npos);
}

TEST(ActivationStore, IsWrittenByOneAtATime) {
  const auto folder = fresh("locked");
  const ActivationStoreWriter writer(folder, layout(), kJob);
  EXPECT_THROW(ActivationStoreWriter(folder, layout(), kJob), Error);
}

TEST(ActivationStore, SeesAChangedByte) {
  const auto folder = fresh("changed");
  write(folder, 0, 10, true);
  const auto file = folder / "shard-00001.safetensors";
  std::string bytes = bytes_of(file);
  std::filesystem::remove(file);
  std::filesystem::remove(file);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(file) << bytes;
  EXPECT_THROW(ActivationStore::open(folder)->verify(), Error);
  std::ofstream(file) << bytes.substr(0, bytes.size() / 2);
  EXPECT_THROW(ActivationStore::open(folder), Error);
}

TEST(ActivationStore, PartsAndShufflesHoldEveryRowOnce) {
  const auto folder = fresh("parts");
  write(folder, 0, 10, true);
  const auto store = ActivationStore::open(folder);
  ReadOptions first, second;
  first.shuffle = {true, 3, 4, 16, 1};
  second.shuffle = first.shuffle;
  first.n_rows = second.first_row = 40;
  std::vector<at::Tensor> tokens;
  for (const ReadOptions& options : {first, second}) {
    StoredActivations source(store, options), again(store, options);
    while (true) {
      const ActivationBatch batch = source.next(7);
      if (batch.size() == 0) break;
      EXPECT_TRUE(again.next(7).activations[1].equal(batch.activations[1]));
      EXPECT_TRUE(batch.activations[0].select(1, 0).equal(batch.tokens.to(at::kFloat) / 64));
      tokens.push_back(batch.tokens);
    }
  }
  EXPECT_LT(tokens[0].max().item<int64_t>(), tokens.back().min().item<int64_t>());
  const at::Tensor all = std::get<0>(at::cat(tokens).sort());
  EXPECT_TRUE(all.equal(made_block(0, 10).rows.tokens));
}

}  // namespace
}  // namespace weir::data
