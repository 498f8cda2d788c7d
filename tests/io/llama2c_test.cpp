#include "weir/io/llama2c.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include <gtest/gtest.h>

#include "corruption.h"
#include "file_bytes.h"

namespace weir::io {
namespace {

struct Sizes {
  int32_t dim = 4;
  int32_t hidden_dim = 6;
  int32_t n_layers = 2;
  int32_t n_heads = 2;
  int32_t n_kv_heads = 1;
  int32_t vocab_size = 5;
  int32_t seq_len = 3;
};

template <typename Number>
void append(std::string* bytes, const Number& value) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// `count` floats 0, 1, 2, ...: a tensor's first value is its place in the file.
void append_floats(std::string* bytes, int count) {
  for (int i = 0; i < count; ++i) append(bytes, static_cast<float>(i));
}

// The default sizes have 20 + 2 x 128 + 4 floats of weights, then 6 of rotation tables.
constexpr int kWeights = 5 * 4 + 2 * (4 + 16 + 8 + 8 + 16 + 4 + 3 * 24) + 4;

std::string legacy_file(const Sizes& sizes = {}, int n_floats = kWeights + 6) {
  std::string bytes;
  append(&bytes, sizes);
  append_floats(&bytes, n_floats);
  return bytes;
}

std::string version_1_file(bool is_tied = true, const Sizes& sizes = {}, int n_floats = kWeights,
                           int32_t version = 1) {
  std::string bytes = "24ka";
  append(&bytes, version);
  append(&bytes, sizes);
  bytes += is_tied ? '\1' : '\0';
  bytes.resize(256, '\0');
  append_floats(&bytes, n_floats);
  return bytes;
}

Llama2cFile parse(const std::string& bytes) { return parse_llama2c(file_of(bytes, "m.bin")); }

float first(const Llama2cFile& file, const std::string& name) {
  float value = -1;
  std::memcpy(&value, file.tensors.at(name).data, sizeof(value));
  return value;
}

std::string refusal(const std::string& bytes, ErrorCode expected = ErrorCode::kCorruptData) {
  std::string message;
  EXPECT_EQ(error_of([&] { parse(bytes); }, &message), expected) << message;
  EXPECT_EQ(message.find("m.bin"), 0U) << message;
  return message;
}

TEST(Llama2c, ReadsTheLegacyForm) {
  const Llama2cFile file = parse(legacy_file());
  EXPECT_EQ(file.config.version, 0);
  EXPECT_EQ(file.config.dim, 4);
  EXPECT_EQ(file.config.hidden_dim, 6);
  EXPECT_EQ(file.config.n_layers, 2);
  EXPECT_EQ(file.config.n_heads, 2);
  EXPECT_EQ(file.config.n_kv_heads, 1);
  EXPECT_EQ(file.config.vocab_size, 5);
  EXPECT_EQ(file.config.seq_len, 3);
  EXPECT_TRUE(file.config.is_tied);
  EXPECT_EQ(file.tensors.tensors.size(), 2U * 9 + 2);
  EXPECT_EQ(first(file, "model.embed_tokens.weight"), 0);
  EXPECT_EQ(first(file, "model.layers.0.input_layernorm.weight"), 20);
  EXPECT_EQ(first(file, "model.layers.1.input_layernorm.weight"), 24);
  EXPECT_EQ(first(file, "model.layers.0.self_attn.q_proj.weight"), 28);
  EXPECT_EQ(first(file, "model.layers.1.self_attn.k_proj.weight"), 60 + 8);
  EXPECT_EQ(first(file, "model.norm.weight"), kWeights - 4);
  const auto shape = [&](const std::string& name) { return file.tensors.at(name).shape; };
  EXPECT_EQ(shape("model.layers.0.self_attn.k_proj.weight"), (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(shape("model.layers.0.mlp.gate_proj.weight"), (std::vector<int64_t>{6, 4}));
  EXPECT_EQ(shape("model.layers.0.mlp.down_proj.weight"), (std::vector<int64_t>{4, 6}));
}

TEST(Llama2c, ANegativeVocabularyMeansAClassifierOfItsOwn) {
  Sizes sizes;
  sizes.vocab_size = -5;
  const Llama2cFile file = parse(legacy_file(sizes, kWeights + 6 + 20));
  EXPECT_FALSE(file.config.is_tied);
  EXPECT_EQ(file.config.vocab_size, 5);
  EXPECT_EQ(first(file, "lm_head.weight"), kWeights + 6);
}

TEST(Llama2c, ReadsVersion1) {
  const Llama2cFile file = parse(version_1_file());
  EXPECT_EQ(file.config.version, 1);
  EXPECT_TRUE(file.config.is_tied);
  EXPECT_EQ(first(file, "model.layers.0.input_layernorm.weight"), 0);
  EXPECT_EQ(first(file, "model.layers.0.post_attention_layernorm.weight"), 8);
  EXPECT_EQ(first(file, "model.norm.weight"), 16);
  EXPECT_EQ(first(file, "model.embed_tokens.weight"), 20);
  EXPECT_EQ(first(file, "model.layers.0.self_attn.q_proj.weight"), 40);
  const Llama2cFile untied = parse(version_1_file(false, {}, kWeights + 20));
  EXPECT_EQ(first(untied, "lm_head.weight"), kWeights);
}

TEST(Llama2c, PointsIntoTheFile) {
  const auto mapped = file_of(legacy_file());
  const Llama2cFile file = parse_llama2c(mapped);
  for (const TensorView& tensor : file.tensors.tensors) {
    EXPECT_EQ(tensor.owner.get(), static_cast<const void*>(mapped.get())) << tensor.name;
  }
}

TEST(Llama2c, RefusesFilesOfAnotherLength) {
  EXPECT_NE(refusal(legacy_file({}, kWeights + 7)).find("needs 1172 bytes, the file has 1176"),
            std::string::npos);
  refusal(legacy_file({}, kWeights + 5));
  refusal(legacy_file() + "x");
  refusal(version_1_file(true, {}, kWeights + 1));
  refusal(version_1_file(false));
  refusal("");
  refusal("24ka");
}

TEST(Llama2c, RefusesImplausibleHeaders) {
  const auto with = [](int32_t Sizes::*field, int32_t value) {
    Sizes sizes;
    sizes.*field = value;
    return legacy_file(sizes);
  };
  for (const auto field : {&Sizes::dim, &Sizes::hidden_dim, &Sizes::n_layers, &Sizes::n_heads,
                           &Sizes::n_kv_heads, &Sizes::vocab_size, &Sizes::seq_len}) {
    refusal(with(field, 0));
    refusal(with(field, INT32_MIN));
    refusal(with(field, INT32_MAX));
  }
  EXPECT_NE(refusal(with(&Sizes::dim, 5)).find("do not divide"), std::string::npos);
  refusal(with(&Sizes::n_heads, 4));  // Heads of one channel.
  std::string bytes = version_1_file();
  bytes[36] = 2;
  EXPECT_NE(refusal(bytes).find("shared_classifier is 2"), std::string::npos);
}

TEST(Llama2c, NamesOtherVersions) {
  EXPECT_NE(
      refusal(version_1_file(true, {}, kWeights, 2), ErrorCode::kUnsupported).find("version 2"),
      std::string::npos);
}

TEST(Llama2c, SurvivesEveryCutAndThousandsOfFlips) {
  const auto parse_file = [](auto file) { parse_llama2c(file); };
  expect_survives_damage(parse_file, legacy_file(), 28);
  expect_survives_damage(parse_file, version_1_file(), 64);
  expect_survives_flips(parse_file, version_1_file(), 3000);
}

// Real checkpoints, where they are at hand.
const std::string kModels = std::string(WEIR_TEST_DATA) + "/models/";

TEST(Llama2c, BothFormsOfARealModelHoldTheSameWeights) {
  if (!std::filesystem::exists(kModels)) GTEST_SKIP() << kModels << " is not here";
  const Llama2cFile legacy = read_llama2c(kModels + "stories260K/stories260K.bin");
  const Llama2cFile version_1 = read_llama2c(kModels + "stories260K/checkpoint_v1.bin");
  EXPECT_EQ(legacy.config.n_kv_heads, 4);
  EXPECT_EQ(legacy.config.vocab_size, 512);
  EXPECT_TRUE(legacy.config.is_tied);
  EXPECT_TRUE(version_1.config.is_tied);
  ASSERT_EQ(legacy.tensors.tensors.size(), version_1.tensors.tensors.size());
  for (const TensorView& tensor : legacy.tensors.tensors) {
    const TensorView& same = version_1.tensors.at(tensor.name);
    EXPECT_EQ(tensor.shape, same.shape) << tensor.name;
    EXPECT_EQ(std::memcmp(tensor.data, same.data, tensor.n_bytes), 0) << tensor.name;
  }
}

TEST(Llama2c, NormWeightsOfARealModelLookLikeNormWeights) {
  const std::string path = kModels + "babyllama_tok105/model5000.bin";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  const Llama2cFile file = read_llama2c(path);
  EXPECT_EQ(file.config.dim, 128);
  for (const TensorView& tensor : file.tensors.tensors) {
    if (tensor.name.find("norm") == std::string::npos) continue;
    const auto* values = reinterpret_cast<const float*>(tensor.data);
    const float sum = std::accumulate(values, values + tensor.n_elements(), 0.0F);
    EXPECT_GT(sum / static_cast<float>(tensor.n_elements()), 0.2F) << tensor.name;
  }
}

}  // namespace
}  // namespace weir::io
