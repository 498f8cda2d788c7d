#include "weir/io/sharded.h"

#include <gtest/gtest.h>

#include "corruption.h"
#include "file_bytes.h"
#include "temporary_folder.h"
#include "weir/base/log.h"
#include "weir/io/safetensors.h"

namespace weir::io {
namespace {

// A folder with the shard "s.safetensors" that holds "a" and "b", and an index.
class Sharded : public testing::Test {
 protected:
  Sharded() {
    static const float kData[] = {1, 2};
    const auto* data = reinterpret_cast<const std::byte*>(kData);
    write_safetensors(folder_ / "s.safetensors", {{"a", DType::kF32, {1}, data, 4, nullptr},
                                                  {"b", DType::kF32, {1}, data + 4, 4, nullptr}});
    log::set_sink([this](log::Level, std::string_view text) { logged_ += text; });
  }
  ~Sharded() override { log::set_sink({}); }

  TensorMap read(const std::string& index) {
    return read_sharded_safetensors(folder_.write("index.json", index));
  }
  ErrorCode refusal(const std::string& index, std::string* message = nullptr) {
    return error_of([&] { read(index); }, message);
  }

  TemporaryFolder folder_;
  std::string logged_;
};

TEST(ShardedGolden, JoinsTheShardsOfARealCheckpoint) {
  const TensorMap sharded =
      read_sharded_safetensors(golden_path("models/gpt2_sharded/model.safetensors.index.json"));
  const TensorMap whole = read_safetensors(golden_path("models/gpt2/model.safetensors"));
  EXPECT_EQ(sharded.tensors.size(), whole.tensors.size());
  for (const TensorView& tensor : whole.tensors) {
    const TensorView& same = sharded.at(tensor.name);
    EXPECT_EQ(same.shape, tensor.shape) << tensor.name;
    EXPECT_EQ(same.dtype, tensor.dtype) << tensor.name;
  }
}

TEST_F(Sharded, TakesOnlyWhatTheIndexLists) {
  const TensorMap map = read(R"({"weight_map": {"b": "s.safetensors"}})");
  ASSERT_EQ(map.tensors.size(), 1U);
  EXPECT_EQ(hex_of(map.at("b")), "00000040");
  EXPECT_EQ(logged_, "");
}

TEST_F(Sharded, WarnsOfAnotherTotal) {
  read(R"({"metadata": {"total_size": 9}, "weight_map": {"b": "s.safetensors"}})");
  EXPECT_NE(logged_.find("total_size says 9 bytes, the shards hold 4"), std::string::npos);
}

TEST_F(Sharded, RefusesBrokenIndexes) {
  for (const char* index :
       {"", "[]", "{}", R"({"weight_map": []})", R"({"weight_map": {"a": 1}})"}) {
    EXPECT_EQ(refusal(index), ErrorCode::kCorruptData) << index;
  }
}

TEST_F(Sharded, RefusesShardsOutsideTheFolder) {
  for (const char* shard : {"../s.safetensors", "/etc/passwd", "", ".", "a/../../s", "./s", "sub/",
                            "a\\\\b", "s\\u0000"}) {
    const std::string index = std::string(R"({"weight_map": {"a": ")") + shard + "\"}}";
    std::string message;
    EXPECT_EQ(refusal(index, &message), ErrorCode::kCorruptData) << shard;
    EXPECT_NE(message.find("is not a file of this folder"), std::string::npos) << message;
  }
}

TEST_F(Sharded, NamesWhatIsMissing) {
  std::string message;
  EXPECT_EQ(refusal(R"({"weight_map": {"c": "s.safetensors"}})", &message),
            ErrorCode::kCorruptData);
  EXPECT_NE(message.find("tensor 'c' is not in its shard 's.safetensors'"), std::string::npos);
  EXPECT_EQ(refusal(R"({"weight_map": {"a": "absent.safetensors"}})", &message),
            ErrorCode::kNotFound);
  EXPECT_NE(message.find("absent.safetensors"), std::string::npos);
}

}  // namespace
}  // namespace weir::io
