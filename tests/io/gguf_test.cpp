#include "weir/io/gguf.h"

#include <cstring>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "corruption.h"
#include "tests/support/golden.h"

namespace weir::io {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

const std::string kTinyPath = std::string(WEIR_GOLDEN_DIR) + "/gguf/tiny.gguf";

/// Writes the fields of a file one after the other.
class Bytes {
 public:
  template <typename T>
  Bytes& number(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.append(raw, sizeof(T));
    return *this;
  }
  Bytes& string(std::string_view text) {
    number<uint64_t>(text.size());
    bytes_ += text;
    return *this;
  }
  Bytes& header(uint64_t n_tensors, uint64_t n_metadata, uint32_t version = 3) {
    bytes_ += "GGUF";
    return number(version).number(n_tensors).number(n_metadata);
  }
  Bytes& metadata_u32(std::string_view key, uint32_t value) {
    return string(key).number<uint32_t>(4).number(value);
  }
  Bytes& tensor(std::string_view name, std::vector<int64_t> ggml_shape, uint32_t type,
                uint64_t offset) {
    string(name).number(static_cast<uint32_t>(ggml_shape.size()));
    for (const int64_t size : ggml_shape) number(size);
    return number(type).number(offset);
  }
  Bytes& data(size_t n_bytes, size_t alignment = 32) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment + n_bytes, '\1');
    return *this;
  }
  const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

GgufFile parse(const Bytes& bytes) { return parse_gguf(file_of(bytes.str(), "m.gguf")); }
ErrorCode refusal(const Bytes& bytes, std::string* message = nullptr) {
  return error_of([&] { parse(bytes); }, message);
}

TEST(Gguf, ReadsEveryMetadataTypeOfTheReferenceFile) {
  const GgufFile gguf = read_gguf(kTinyPath);
  EXPECT_EQ(gguf.version(), 3U);
  EXPECT_EQ(gguf.get_string("general.architecture"), "test");
  EXPECT_EQ(gguf.get_u64("kv.u8"), 200U);
  EXPECT_EQ(gguf.get_double("kv.i8"), -100.0);
  EXPECT_EQ(gguf.get_u64("kv.u16"), 60000U);
  EXPECT_EQ(gguf.get_double("kv.i16"), -30000.0);
  EXPECT_EQ(gguf.get_u64("kv.u32"), 4000000000U);
  EXPECT_EQ(gguf.get_double("kv.i32"), -2000000000.0);
  EXPECT_EQ(gguf.get_u64("kv.u64"), 9223372036854775813U);
  EXPECT_EQ(std::get<int64_t>(gguf.find("kv.i64")->value), -4611686018427387904);
  EXPECT_EQ(gguf.get_double("kv.f32"), 1.5);
  EXPECT_EQ(gguf.get_double("kv.f64"), 1e-300);
  EXPECT_TRUE(gguf.get_bool("kv.bool"));
  EXPECT_EQ(gguf.get_string("kv.string"), "wéir 水");
  EXPECT_EQ(gguf.get_string_array("kv.strings"), (std::vector<std::string_view>{"a", "", "é"}));
  EXPECT_EQ(gguf.get_int_array("kv.ints"), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(gguf.find_float_array("kv.floats"), (std::vector<float>{0.5F, -0.25F}));
  EXPECT_EQ(gguf.tensors().metadata.at("kv.string"), "wéir 水");
}

TEST(GoldenGgufFile, HasEveryTensorWhereTheReferenceFindsIt) {
  const std::filesystem::path folder = golden_topic("gguf");
  const auto file = MappedFile::open(folder / "tiny.gguf");
  const GgufFile gguf = parse_gguf(file);
  const auto golden =
      nlohmann::json::parse(read_text(folder / "golden.json"))["tiny_gguf"]["tensors"];
  ASSERT_EQ(gguf.tensors().tensors.size(), golden.size());
  for (size_t i = 0; i < golden.size(); ++i) {
    const TensorView& tensor = gguf.tensors().tensors[i];
    EXPECT_EQ(tensor.name, golden[i]["name"]);
    EXPECT_EQ(to_string(tensor.dtype), golden[i]["type"].get<std::string>());
    EXPECT_EQ(tensor.n_bytes, golden[i]["bytes"]);
    EXPECT_EQ(tensor.data - file->data(), golden[i]["offset_in_file"]);
    const std::vector<int64_t> rows_first = {golden[i]["shape_ggml"][1],
                                             golden[i]["shape_ggml"][0]};
    EXPECT_EQ(tensor.shape, rows_first);
  }
}

TEST(Gguf, TensorsOutliveTheFileObject) {
  TensorView tensor;
  { tensor = read_gguf(kTinyPath).tensors().at("t.F32"); }
  float first = 1.0F;
  std::memcpy(&first, tensor.data, sizeof(first));
  EXPECT_EQ(first, 0.0F);
}

TEST(Gguf, SaysWhichMetadataIsMissingOrOfAnotherType) {
  const GgufFile gguf = read_gguf(kTinyPath);
  EXPECT_FALSE(gguf.find_u64("llama.block_count").has_value());
  std::string message;
  EXPECT_EQ(error_of([&] { gguf.get_u64("llama.block_count"); }, &message),
            ErrorCode::kCorruptData);
  EXPECT_NE(message.find("'llama.block_count' is missing"), std::string::npos) << message;
  EXPECT_EQ(error_of([&] { gguf.find_u64("kv.i8"); }, &message), ErrorCode::kCorruptData);
  EXPECT_NE(message.find("expected an integer of at least 0, found i8"), std::string::npos);
  EXPECT_EQ(error_of([&] { gguf.find_string_array("kv.ints"); }, &message),
            ErrorCode::kCorruptData);
  EXPECT_NE(message.find("found array of i32"), std::string::npos) << message;
  EXPECT_EQ(error_of([&] { gguf.find_float_array("kv.strings"); }), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of([&] { gguf.find_int_array("kv.floats"); }), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of([&] { gguf.find_bool("kv.u8"); }), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of([&] { gguf.find_string("kv.bool"); }), ErrorCode::kCorruptData);
}

TEST(Gguf, ReadsVersion2AndItsOwnAlignment) {
  const Bytes bytes = Bytes()
                          .header(2, 1, 2)
                          .metadata_u32("general.alignment", 64)
                          .tensor("a", {3}, 0, 0)
                          .tensor("b", {32, 2}, 3, 64)
                          .data(64 + 40, 64);
  const GgufFile gguf = parse(bytes);
  EXPECT_EQ(gguf.version(), 2U);
  EXPECT_EQ(gguf.tensors().at("b").shape, (std::vector<int64_t>{2, 32}));
  EXPECT_EQ(gguf.tensors().at("b").data - gguf.tensors().at("a").data, 64);
}

TEST(Gguf, ReadsNestedArraysUpToABound) {
  const auto nested = [](int depth) {
    Bytes bytes;
    bytes.header(0, 1).string("k").template number<uint32_t>(9);
    for (int i = 1; i < depth; ++i) bytes.number<uint32_t>(9).number<uint64_t>(1);
    return bytes.number<uint32_t>(0).number<uint64_t>(2).number<uint16_t>(0x0807);
  };
  const GgufFile gguf = parse(nested(3));
  const auto& outer = std::get<GgufArray>(gguf.find("k")->value);
  const GgufArray& inner = outer.arrays.at(0).arrays.at(0);
  EXPECT_EQ(inner.size, 2U);
  EXPECT_EQ(static_cast<int>(inner.data[1]), 8);
  EXPECT_EQ(refusal(nested(5)), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal(nested(500)), ErrorCode::kUnsupported);
}

TEST(Gguf, NamesWhatItDoesNotImplement) {
  std::string message;
  EXPECT_EQ(refusal(Bytes().header(0, 0, 1), &message), ErrorCode::kUnsupported);
  EXPECT_NE(message.find("version 1"), std::string::npos) << message;
  EXPECT_EQ(refusal(Bytes().header(0, 0, 0x03000000), &message), ErrorCode::kUnsupported);
  EXPECT_NE(message.find("big-endian"), std::string::npos) << message;
  EXPECT_EQ(refusal(Bytes().header(1, 0).tensor("w", {256}, 23, 0).data(256), &message),
            ErrorCode::kUnsupported);
  EXPECT_NE(message.find("'w' is IQ4_XS"), std::string::npos) << message;
  EXPECT_EQ(refusal(Bytes().header(1, 0).tensor("w", {256}, 77, 0).data(256), &message),
            ErrorCode::kUnsupported);
  EXPECT_NE(message.find("unknown type 77"), std::string::npos) << message;
}

TEST(Gguf, RefusesCountsThatTheFileCannotHold) {
  const uint64_t huge = uint64_t{1} << 60;
  EXPECT_EQ(refusal(Bytes().header(huge, 0)), ErrorCode::kCorruptData);
  EXPECT_EQ(refusal(Bytes().header(0, ~uint64_t{0})), ErrorCode::kCorruptData);
  for (const uint32_t element_type : {0U, 8U, 9U, 12U}) {
    const Bytes bytes =
        Bytes().header(0, 1).string("k").number<uint32_t>(9).number(element_type).number(huge);
    EXPECT_EQ(refusal(bytes), ErrorCode::kCorruptData) << element_type;
  }
  EXPECT_EQ(refusal(Bytes().header(0, 1).number(huge).data(64)), ErrorCode::kCorruptData);
}

TEST(Gguf, RefusesTensorsThatDoNotFit) {
  const auto with = [](std::vector<int64_t> shape, uint32_t type, uint64_t offset) {
    return Bytes().header(1, 0).tensor("w", std::move(shape), type, offset).data(64);
  };
  EXPECT_EQ(refusal(with({17}, 0, 0)), ErrorCode::kCorruptData);
  EXPECT_EQ(refusal(with({8}, 0, 16)), ErrorCode::kCorruptData);
  EXPECT_EQ(refusal(with({8}, 0, 64)), ErrorCode::kCorruptData);
  EXPECT_EQ(refusal(with({8}, 0, ~uint64_t{31})), ErrorCode::kCorruptData);
  EXPECT_EQ(refusal(with({-8}, 0, 0)), ErrorCode::kCorruptData);
  EXPECT_EQ(refusal(with({16}, 3, 0)), ErrorCode::kCorruptData);
  EXPECT_EQ(refusal(with({int64_t{1} << 40, int64_t{1} << 40}, 0, 0)), ErrorCode::kCorruptData);
  EXPECT_EQ(refusal(with({1, 1, 1, 1, 1}, 0, 0)), ErrorCode::kUnsupported);
  EXPECT_EQ(parse(with({16}, 0, 0)).tensors().at("w").n_bytes, 64U);
}

TEST(Gguf, RefusesOverlapsAndDuplicates) {
  std::string message;
  EXPECT_EQ(refusal(Bytes().header(2, 0).tensor("a", {16}, 0, 0).tensor("b", {8}, 0, 32).data(64),
                    &message),
            ErrorCode::kCorruptData);
  EXPECT_NE(message.find("'a' and 'b' overlap"), std::string::npos) << message;
  EXPECT_EQ(refusal(Bytes().header(2, 0).tensor("a", {8}, 0, 0).tensor("a", {8}, 0, 32).data(64)),
            ErrorCode::kCorruptData);
  EXPECT_EQ(refusal(Bytes().header(0, 2).metadata_u32("k", 1).metadata_u32("k", 2)),
            ErrorCode::kCorruptData);
}

TEST(Gguf, RefusesAnAlignmentThatIsNone) {
  for (const uint32_t alignment : {0U, 1U, 24U, 0x80000000U}) {
    EXPECT_EQ(refusal(Bytes().header(0, 1).metadata_u32("general.alignment", alignment)),
              ErrorCode::kCorruptData)
        << alignment;
  }
}

TEST(Gguf, SurvivesEveryCutAndEveryDamagedHeaderByte) {
  expect_survives_damage([](auto file) { parse_gguf(std::move(file)); }, read_text(kTinyPath),
                         1088);
}

}  // namespace
}  // namespace weir::io
