#include "weir/sae/harvest/harvest.h"

#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/sae/harvest/made_corpus.h"
#include "tests/support/max_difference.h"
#include "tests/support/refusal.h"
#include "weir/base/error.h"
#include "weir/io/mapped_file.h"
#include "weir/sae/harvest/harvest_plan.h"

namespace weir {
namespace {

using testing::fresh_folder;
using testing::golden_model;
using testing::made_rows;

// Of the largest value: a batch of other contexts, or of one document alone, sums in another order
// in float32 (2^-24), some hundred terms in each of about ten products on the way.
constexpr double kTolerance = 5e-6;

double relative_difference(const at::Tensor& found, const at::Tensor& expected) {
  return max_difference(found, expected) / expected.abs().max().item<double>();
}

HarvestOptions all_kept(const std::vector<std::string>& names) {
  HarvestOptions options;
  options.names = names;
  options.batch_contexts = 3;
  options.skip_positions = 0;
  options.max_norm_multiple = 0;
  return options;
}

TEST(Harvester, EqualsPlainRunsOfTheContexts) {
  for (const char* model : {"gpt2", "llama_gqa_tied"}) {
    const LanguageModel lm = golden_model(model);
    const data::TokenRows rows = made_rows(lm, {12});
    Harvester harvester(lm, rows, all_kept({"blocks.1.hook_resid_post", "blocks.0.attn.hook_z"}));
    EXPECT_EQ(harvester.sites().size(), 2u);
    while (harvester.n_contexts() < 8) {
      const data::ActivationBlock block = harvester.next(8 - harvester.n_contexts());
      for (int64_t i = 0; i < block.n_contexts(); ++i) {
        RunOptions run;
        run.cache = CacheOptions{};
        const at::Tensor ids = rows.batch(block.first_context + i, 1).ids;
        EXPECT_TRUE(block.tokens.slice(0, i, i + 1).equal(ids));
        const RunResult plain = lm.run({ids, {}}, run);
        for (size_t site = 0; site < 2; ++site) {
          const at::Tensor expected = plain.cache[harvester.sites()[site].name].reshape({12, -1});
          const at::Tensor found = block.rows.activations[site].slice(0, i * 12, i * 12 + 12);
          EXPECT_LT(relative_difference(found, expected), kTolerance) << model;
        }
      }
    }
  }
}

TEST(Harvester, DocumentsThatArePackedStandAlone) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  data::RowOptions row{24, data::Packing::kDocuments};
  const data::TokenRows rows = made_rows(lm, row);
  Harvester harvester(lm, rows, all_kept({"blocks.1.hook_resid_post"}));
  const data::ActivationBlock block = harvester.next(2);
  const data::Batch batch = rows.batch(0, 2);
  // Each document of the first row, run alone.
  int64_t n_documents = 0;
  for (int64_t begin = 0, end; begin < 24; begin = end) {
    const at::Tensor document = batch.document[0];
    for (end = begin; end < 24 && document[end].equal(document[begin]);) ++end;
    RunOptions run;
    run.cache = CacheOptions{};
    const at::Tensor ids = batch.ids.slice(0, 0, 1).slice(1, begin, end);
    const at::Tensor expected = lm.run({ids, {}}, run).cache["blocks.1.hook_resid_post"][0];
    EXPECT_LT(relative_difference(block.rows.activations[0].slice(0, begin, end), expected),
              kTolerance);
    ++n_documents;
  }
  EXPECT_GT(n_documents, 1);
}

TEST(Harvester, LeavesOutFirstPositionsTokensAndOutliersAndCountsThem) {
  const LanguageModel lm = golden_model("gpt2");
  const data::TokenRows rows = made_rows(lm, {12});
  const int64_t n_contexts = rows.n_rows();
  Harvester whole(lm, rows, all_kept({"blocks.1.hook_resid_post"}));
  HarvestOptions options = all_kept({"blocks.1.hook_resid_post"});
  options.skip_positions = 2;
  options.skip_tokens = {rows.batch(0, 1).ids[0][5].item<int64_t>()};
  options.max_norm_multiple = 1.05;
  Harvester some(lm, rows, options);
  std::vector<at::Tensor> all_norms, kept_rows, all_rows, all_ids, all_positions;
  data::DropCounts dropped;
  while (whole.n_contexts() < n_contexts) {
    const data::ActivationBlock block = whole.next(n_contexts - whole.n_contexts());
    EXPECT_EQ(block.dropped.n_kept(), block.rows.size());
    all_rows.push_back(block.rows.activations[0]);
    all_ids.push_back(block.rows.tokens);
    all_positions.push_back(block.rows.positions);
  }
  while (some.n_contexts() < n_contexts) {
    const data::ActivationBlock block = some.next(n_contexts - some.n_contexts());
    kept_rows.push_back(block.rows.activations[0]);
    dropped += block.dropped;
  }
  // The same by hand. All contexts are fewer tokens than the median is taken of.
  const at::Tensor x = at::cat(all_rows), ids = at::cat(all_ids), place = at::cat(all_positions);
  const at::Tensor is_first = place < 2;
  const at::Tensor is_token = (ids == options.skip_tokens[0]).logical_and(is_first.logical_not());
  const at::Tensor rest = is_first.logical_or(is_token).logical_not();
  const at::Tensor norms = x.norm(2, 1);
  const double limit = 1.05 * norms.masked_select(rest).median().item<double>();
  EXPECT_NEAR(some.norm_limits()[0], limit, 1e-5 * limit);
  const at::Tensor is_outlier = rest.logical_and(norms > limit);
  EXPECT_EQ(dropped.n_tokens, x.size(0));
  EXPECT_EQ(dropped.positions, is_first.sum().item<int64_t>());
  EXPECT_EQ(dropped.tokens, is_token.sum().item<int64_t>());
  EXPECT_GT(dropped.tokens, 0);
  EXPECT_EQ(dropped.norms, is_outlier.sum().item<int64_t>());
  EXPECT_GT(dropped.norms, 0);
  const at::Tensor expected =
      x.index_select(0, rest.logical_and(is_outlier.logical_not()).nonzero().squeeze(1));
  ASSERT_EQ(at::cat(kept_rows).size(0), expected.size(0));
  EXPECT_LT(relative_difference(at::cat(kept_rows), expected), kTolerance);
}

TEST(Harvester, PaddingGivesNoRows) {
  const LanguageModel lm = golden_model("gpt2");
  for (const auto packing : {data::Packing::kStream, data::Packing::kDocuments}) {
    const data::TokenRows rows = made_rows(lm, {25, packing});
    Harvester harvester(lm, rows, all_kept({"hook_embed"}));
    data::DropCounts dropped;
    int64_t n_rows = 0, n_padded = 0;
    while (harvester.n_contexts() < rows.n_rows()) {
      const data::ActivationBlock block = harvester.next(rows.n_rows() - harvester.n_contexts());
      n_rows += block.rows.size();
      n_padded += (block.tokens < 0).sum().item<int64_t>();
    }
    int64_t n_tokens = 0;
    for (const auto& document : data::counted_documents(40, 20, 3)) n_tokens += document.size();
    EXPECT_EQ(n_rows, n_tokens);
    EXPECT_EQ(n_rows + n_padded, rows.n_rows() * 25);
    EXPECT_GT(n_padded, 0);
  }
}

TEST(Harvester, RefusesWhatIsNoVectorAToken) {
  const LanguageModel lm = golden_model("gpt2");
  const data::TokenRows rows = made_rows(lm, {12});
  EXPECT_NE(testing::refusal([&] {
              Harvester(lm, rows, all_kept({"blocks.0.attn.hook_pattern"}));
            }).find("one vector a token"),
            std::string::npos);
}

std::string bytes_of(const std::filesystem::path& file) {
  return std::string(io::MappedFile::open(file)->bytes());
}

TEST(Harvest, ResumedIsTheSameAsUninterrupted) {
  const LanguageModel lm = golden_model("gpt2");
  data::RowOptions row{12};
  row.shuffle = true;
  const data::TokenRows rows = made_rows(lm, row);
  HarvestOptions options = all_kept({"blocks.*.hook_resid_post"});
  options.skip_positions = 1;
  options.max_norm_multiple = 1.1;
  options.limit_tokens = 60;
  HarvestStore store;
  store.n_contexts = rows.n_rows();
  store.contexts_per_shard = 6;
  const auto whole = fresh_folder("harvest-whole"), parts = fresh_folder("harvest-parts");
  const auto expected = harvest(lm, rows, options, store, whole);
  expected->verify();
  ASSERT_GT(expected->n_blocks(), 1);
  // As if killed behind the first shard: the manifest names no other.
  std::filesystem::copy(whole, parts);
  std::string manifest = bytes_of(whole / data::kStoreFile);
  auto document = nlohmann::ordered_json::parse(manifest);
  document["complete"] = false;
  document["shards"].erase(document["shards"].begin() + 1, document["shards"].end());
  Harvester again(lm, rows, options);
  data::DropCounts begun;
  while (again.n_contexts() < expected->block(0).n_contexts()) begun += again.next(100).dropped;
  document["dropped"] = {{"tokens_seen", begun.n_tokens},
                         {"first_positions", begun.positions},
                         {"tokens", begun.tokens},
                         {"norms", begun.norms},
                         {"norms_by_site", begun.norms_by_site}};
  std::ofstream(parts / data::kStoreFile) << document.dump(1);
  for (int64_t i = 1; i < expected->n_blocks(); ++i) {
    std::filesystem::remove(parts / data::shard_name(i));
  }
  harvest(lm, rows, options, store, parts);
  for (const auto& entry : std::filesystem::directory_iterator(whole)) {
    EXPECT_EQ(bytes_of(entry.path()), bytes_of(parts / entry.path().filename())) << entry.path();
  }
}

TEST(HarvestPlan, FitsItsBudgetOrSaysWhy) {
  const LanguageModel lm = golden_model("gpt2");
  const data::TokenRows rows = made_rows(lm, {12});
  HarvestOptions options = all_kept({"blocks.1.hook_resid_post"});
  options.batch_contexts = 0;
  const Harvester harvester(lm, rows, options);
  HarvestSize size;
  size.n_contexts = 1000;
  size.memory = 4e6;
  const HarvestPlan plan = plan_harvest(lm, harvester, options, size, ::testing::TempDir());
  EXPECT_LE(plan.memory(), size.memory);
  EXPECT_GE(plan.batch_contexts, 1);
  EXPECT_LT(plan.batch_contexts, 4096 / 12);
  size.memory = 1000;
  EXPECT_NE(testing::refusal([&] {
              plan_harvest(lm, harvester, options, size, ::testing::TempDir());
            }).find("do not hold one context"),
            std::string::npos);
}

}  // namespace
}  // namespace weir
