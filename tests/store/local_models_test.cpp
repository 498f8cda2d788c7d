#include <gmock/gmock.h>

#include "tests/store/store_fixture.h"

namespace weir::store {
namespace {

using ::testing::HasSubstr;

constexpr const char* kCommit = "89abcdef0123456789abcdef0123456789abcdef";

class LocalModelsTest : public StoreTest {
 protected:
  static void make_model(const std::filesystem::path& folder) {
    write(folder / "config.json", "{}");
    write(folder / "model.safetensors", "12345678");
  }
  std::filesystem::path make_snapshot(const std::string& repository, const std::string& commit) {
    const auto folder = hub_cache() / ("models--" + repository) / "snapshots" / commit;
    make_model(folder);
    return folder;
  }
  static std::string not_found(const std::string& model) {
    const Error error = error_of([&] { resolve_model(model); });
    EXPECT_EQ(error.code(), ErrorCode::kNotFound) << error.what();
    return error.what();
  }
};

TEST_F(LocalModelsTest, AnEmptyStoreListsNothing) { EXPECT_TRUE(list_models().empty()); }

TEST_F(LocalModelsTest, ListsTheStoreThenTheCache) {
  make_model(models() / "o/folder");
  write(models() / "single/weights.gguf", "123");
  write(models() / "several/a.gguf", "1");
  write(models() / "several/b.gguf", "12");
  write(models() / "loose.bin", "1234");
  write(models() / "empty/notes.txt", "");
  make_snapshot("o--cached", kCommit);
  write(hub_cache() / "models--o--cached/refs/main", kCommit);
  make_snapshot("gpt2", "1111");
  std::vector<std::string> seen;
  for (const StoredModel& model : list_models()) {
    seen.push_back(model.name + " " + std::to_string(model.n_bytes) + " " + model.origin);
    EXPECT_EQ(resolve_model(model.name), model.path);
  }
  EXPECT_THAT(seen, ::testing::ElementsAre("loose.bin 4 store", "o/folder 10 store",
                                           "several:a.gguf 1 store", "several:b.gguf 2 store",
                                           "single 3 store", "gpt2@1111 10 hugging face cache",
                                           "o/cached 10 hugging face cache"));
}

TEST_F(LocalModelsTest, APathComesFirst) {
  make_model(folder_ / "here");
  write(folder_ / "file.gguf", "1");
  EXPECT_EQ(resolve_model((folder_ / "here").string()), folder_ / "here");
  EXPECT_EQ(resolve_model((folder_ / "file.gguf").string()), folder_ / "file.gguf");
}

TEST_F(LocalModelsTest, AFolderWithOneGgufIsThatFile) {
  write(models() / "quantised/weights.gguf", "1");
  EXPECT_EQ(resolve_model("quantised"), models() / "quantised/weights.gguf");
  EXPECT_EQ(resolve_model((models() / "quantised").string()), models() / "quantised/weights.gguf");
}

TEST_F(LocalModelsTest, AsksWhichOfSeveralFiles) {
  write(models() / "several/a.gguf", "1");
  write(models() / "several/b.gguf", "1");
  const Error error = error_of([] { resolve_model("several"); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.what(), HasSubstr("several:FILE: a.gguf, b.gguf"));
  EXPECT_EQ(resolve_model("several:b.gguf"), models() / "several/b.gguf");
}

TEST_F(LocalModelsTest, FindsRevisionsInHuggingFacesCache) {
  const auto main = make_snapshot("o--m", kCommit);
  const auto other = make_snapshot("o--m", "2222");
  write(hub_cache() / "models--o--m/refs/main", kCommit);
  write(hub_cache() / "models--o--m/refs/refs/pr/7", "2222");
  EXPECT_EQ(resolve_model("o/m"), main);
  EXPECT_EQ(resolve_model("o/m@2222"), other);
  EXPECT_EQ(resolve_model("o/m@refs/pr/7"), other);
  not_found("o/m@3333");
}

TEST_F(LocalModelsTest, TheStorePrecedesTheCache) {
  make_snapshot("o--m", kCommit);
  write(hub_cache() / "models--o--m/refs/main", kCommit);
  make_model(models() / "o/m");
  EXPECT_EQ(resolve_model("o/m"), models() / "o/m");
}

TEST_F(LocalModelsTest, ASnapshotWithoutWeightsIsNoModel) {
  write(hub_cache() / "models--o--m/snapshots/2222/config.json", "{}");
  write(hub_cache() / "models--o--m/refs/main", "2222");
  not_found("o/m");
  EXPECT_TRUE(list_models().empty());
}

TEST_F(LocalModelsTest, ARefThatPointsOutsideIsIgnored) {
  make_model(folder_ / "outside");
  write(hub_cache() / "models--o--m/snapshots/1/config.json", "{}");
  write(hub_cache() / "models--o--m/refs/main", "../../../../outside");
  not_found("o/m");
}

TEST_F(LocalModelsTest, SaysHowToGetAModelAndNamesTheNearest) {
  make_model(models() / "o/folder");
  EXPECT_THAT(not_found("o/foldr"),
              HasSubstr("run `weir models pull o/foldr`; did you mean o/folder"));
  EXPECT_THAT(not_found("smollm2-135m"),
              ::testing::EndsWith("run `weir models pull smollm2-135m`"));
  EXPECT_THAT(not_found("smollm-135m"), HasSubstr("did you mean smollm2-135m"));
  for (const char* odd : {"", "../x", "a b", "x:", "@", ":", "/nowhere/at/all"}) not_found(odd);
}

TEST_F(LocalModelsTest, SaysThatAPullIsUnfinished) {
  make_model(models() / "o/m");
  write(models() / "o/m/weir.json",
        R"({"format": 1, "origin": "o/m", "revision": "main", "commit": "1", "complete": false,
            "files": {}})");
  const Error error = error_of([] { resolve_model("o/m"); });
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("weir models pull o/m"));
}

TEST_F(LocalModelsTest, ABrokenRecordIsIgnored) {
  make_model(models() / "o/m");
  write(models() / "o/m/weir.json", R"({"format": 99)");
  EXPECT_EQ(resolve_model("o/m"), models() / "o/m");
}

}  // namespace
}  // namespace weir::store
