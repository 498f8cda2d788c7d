#include <ATen/ATen.h>

#include "tests/data/made_shard.h"
#include "tests/io/temporary_folder.h"
#include "tests/support/golden.h"
#include "weir/data/batches.h"
#include "weir/data/tokenize.h"
#include "weir/io/json.h"
#include "weir/tensor/convert.h"

namespace weir::data {
namespace {

std::vector<std::string> cases(const std::string& prefix) {
  std::vector<std::string> found;
  for (const std::string& name : golden_files("train", ".safetensors")) {
    if (name.rfind(prefix, 0) == 0) found.push_back(name);
  }
  return found;
}

at::Tensor read(const std::string& name, const std::string& key) {
  const auto map = read_tensors((golden_topic("train") / (name + ".safetensors")).string());
  for (const io::TensorView& view : map.tensors) {
    if (view.name == key) return to_tensor(view).clone();
  }
  ADD_FAILURE() << name << " has no " << key;
  return {};
}

class GoldenTrainPacking : public testing::TestWithParam<std::string> {};

// The documents of the rows, one after the other, are packed into the same rows again: whole
// numbers, so nothing may differ.
TEST_P(GoldenTrainPacking, KeepsDocumentsApart) {
  const at::Tensor ids = read(GetParam(), "ids"), document = read(GetParam(), "document");
  Documents documents;
  for (int64_t row = 0; row < ids.size(0); ++row) {
    for (int64_t t = 0; t < ids.size(1); ++t) {
      const bool is_new =
          t == 0 || document[row][t].item<int64_t>() != document[row][t - 1].item<int64_t>();
      if (is_new) documents.emplace_back();
      documents.back().push_back(ids[row][t].item<int64_t>());
    }
  }
  const auto stream = std::make_shared<TokenStream>(shard_of(documents, 65536));
  const TokenRows rows({{stream}}, {ids.size(1), Packing::kDocuments});
  ASSERT_EQ(rows.n_rows(), ids.size(0));
  const Batch batch = rows.batch(0, ids.size(0));
  EXPECT_TRUE(batch.ids.equal(ids));
  EXPECT_TRUE(batch.document.equal(document));
  EXPECT_TRUE(batch.positions.equal(read(GetParam(), "positions")));
  EXPECT_TRUE(batch.labels.equal(read(GetParam(), "labels")));
}

class GoldenTrainRows : public testing::TestWithParam<std::string> {};

// Raw 16-bit ids, read as nanoGPT's form: update i takes the next batch x length x accumulate
// tokens.
TEST_P(GoldenTrainRows, ComeInTheOrderOfTheRun) {
  const io::TemporaryFolder folder;
  const auto stem = golden_topic("train") / GetParam();
  std::filesystem::copy_file(stem.string() + ".u16", folder / "ids.bin");
  TokenizeOptions options;
  options.vocab_size = 65536;
  tokenize({folder / "ids.bin"}, std::nullopt, folder / "shard", options);
  const nlohmann::json run = io::read_json(stem.string() + ".json");
  const int64_t n = run["batch"].get<int64_t>() * run["accumulate"].get<int64_t>();
  const int64_t length = run["length"];
  const auto shard = TokenShard::open(folder / "shard");
  const TokenRows rows({{std::make_shared<TokenStream>(shard)}}, {length, Packing::kStream});
  const at::Tensor tokens = read(GetParam(), "tokens");
  for (int64_t step = 0; step < run["steps"].get<int64_t>(); ++step) {
    const at::Tensor expected = tokens.slice(0, step * n * length, (step + 1) * n * length);
    const Batch batch = rows.batch(step * n, n);
    ASSERT_TRUE(batch.ids.flatten().equal(expected)) << step;
    EXPECT_TRUE(batch.labels.slice(1, 1).equal(batch.ids.slice(1, 1)));
    EXPECT_TRUE(batch.labels.select(1, 0).eq(-100).all().item<bool>());
  }
}

TEST(GoldenTrainFolder, HasRowsAndPackedRows) {
  EXPECT_FALSE(cases("pack_").empty()) << golden_topic("train");
  EXPECT_FALSE(cases("run_").empty()) << golden_topic("train");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenTrainRows);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenTrainRows, testing::ValuesIn(cases("run_")),
                         [](const auto& instance) { return case_name(instance.param); });

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenTrainPacking);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenTrainPacking, testing::ValuesIn(cases("pack_")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir::data
