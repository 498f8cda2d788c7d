#include "weir/io/safetensors.h"

#include <cstring>

#include <gtest/gtest.h>

#include "corruption.h"
#include "file_bytes.h"
#include "temporary_folder.h"

namespace weir::io {
namespace {

std::string file_with(const std::string& header, size_t data_bytes) {
  std::string bytes(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, sizeof(length));
  bytes += header;
  for (size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
  return bytes;
}

TensorMap parse(const std::string& header, size_t data_bytes) {
  return parse_safetensors(file_of(file_with(header, data_bytes), "a.safetensors"));
}

std::string refusal_of_bytes(const std::string& bytes,
                             ErrorCode expected = ErrorCode::kCorruptData) {
  std::string message;
  EXPECT_EQ(error_of([&] { parse_safetensors(file_of(bytes, "a.safetensors")); }, &message),
            expected)
      << message;
  EXPECT_EQ(message.find("a.safetensors"), 0U) << message;
  return message;
}

std::string refusal(const std::string& header, size_t data_bytes,
                    ErrorCode expected = ErrorCode::kCorruptData) {
  return refusal_of_bytes(file_with(header, data_bytes), expected);
}

constexpr DType kTypes[] = {DType::kF64,    DType::kF32, DType::kF16, DType::kBF16, DType::kF8E4M3,
                            DType::kF8E5M2, DType::kI64, DType::kI32, DType::kI16,  DType::kI8,
                            DType::kU64,    DType::kU32, DType::kU16, DType::kU8,   DType::kBool};

TEST(Safetensors, ReadsEveryElementType) {
  for (const DType dtype : kTypes) {
    const auto n_bytes = static_cast<size_t>(6 * block_bytes(dtype));
    const TensorMap map =
        parse(fmt::format(R"({{"w":{{"dtype":"{}","shape":[2,3],"data_offsets":[0,{}]}}}})",
                          to_string(dtype), n_bytes),
              n_bytes);
    const TensorView& tensor = map.at("w");
    EXPECT_EQ(tensor.dtype, dtype);
    EXPECT_EQ(tensor.shape, (std::vector<int64_t>{2, 3}));
    ASSERT_EQ(tensor.n_bytes, n_bytes);
    EXPECT_EQ(static_cast<int>(tensor.data[n_bytes - 1]), static_cast<int>(n_bytes - 1));
  }
}

TEST(Safetensors, OrdersTensorsByTheirDataAndKeepsMetadata) {
  const TensorMap map = parse(
      R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"__metadata__":{"format":"pt","é":""},)"
      R"("a":{"dtype":"U8","shape":[],"data_offsets":[2,3]},"z":{"dtype":"F32","shape":[0,4],"data_offsets":[3,3]}}  )",
      3);
  ASSERT_EQ(map.tensors.size(), 3U);
  EXPECT_EQ(map.tensors[0].name, "b");
  EXPECT_EQ(map.tensors[1].name, "a");
  EXPECT_EQ(map.tensors[2].name, "z");
  EXPECT_EQ(map.tensors[2].n_bytes, 0U);
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"é", ""}};
  EXPECT_EQ(map.metadata, metadata);
  EXPECT_EQ(map.source, "a.safetensors");
}

TEST(Safetensors, ReadsAFileWithoutTensors) { EXPECT_TRUE(parse("{}", 0).tensors.empty()); }

TEST(Safetensors, TensorsAreAlignedWhereverTheyLie) {
  const TensorMap map = parse(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}})",
      9);
  const TensorView& tensor = map.at("b");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data) % 8, 0U);
  EXPECT_EQ(static_cast<int>(tensor.data[7]), 8);
}

TEST(Safetensors, PointsIntoTheMappedFileAndOutlivesIt) {
  auto file = MappedFile::open(golden_path("models/gpt2/model.safetensors"));
  const TensorView tensor = parse_safetensors(file).tensors.front();
  EXPECT_GT(tensor.data, file->data());
  EXPECT_LT(tensor.data, file->data() + file->size());
  const std::string before = hex_of(tensor);
  file.reset();
  EXPECT_EQ(hex_of(tensor), before);
}

TEST(Safetensors, RefusesBrokenLengths) {
  refusal_of_bytes("");
  refusal_of_bytes("1234567");
  refusal_of_bytes(file_with("", 0));
  std::string bytes = file_with("{}", 0);
  EXPECT_NE(refusal_of_bytes(bytes.substr(0, 9)).find("only 1 follow"), std::string::npos);
  const uint64_t lengths[] = {100000001, uint64_t{1} << 40, ~uint64_t{0}};
  for (const uint64_t length : lengths) {
    std::memcpy(bytes.data(), &length, sizeof(length));
    EXPECT_NE(refusal_of_bytes(bytes).find("at most 100000000"), std::string::npos);
  }
}

TEST(Safetensors, RefusesHeadersThatAreNoTensorTables) {
  for (const char* header : {"[]",
                             " {}",
                             "{",
                             "null",
                             "{\"w\":1}",
                             "{\"w\":{}}",
                             R"({"w":{"dtype":"U8","shape":[1]}})",
                             R"({"w":{"dtype":"U8","data_offsets":[0,1]}})",
                             R"({"w":{"shape":[1],"data_offsets":[0,1]}})",
                             R"({"w":{"dtype":1,"shape":[1],"data_offsets":[0,1]}})",
                             R"({"w":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}})",
                             R"({"w":{"dtype":"Q4_0","shape":[1],"data_offsets":[0,1]}})",
                             R"({"w":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})",
                             R"({"w":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})",
                             R"({"w":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})",
                             R"({"w":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})",
                             R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0]}})",
                             R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}})",
                             R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,-1]}})",
                             R"({"w":{"dtype":"U8","shape":[1],"data_offsets":{"a":1}}})",
                             R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})",
                             R"({"__metadata__":{"a":1}})",
                             R"({"__metadata__":[]})"}) {
    refusal(header, 1);
  }
}

TEST(Safetensors, RefusesANameGivenTwice) {
  const std::string entry = R"("w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_NE(refusal("{" + entry + "," + entry + "}", 1).find("'w' is given twice"),
            std::string::npos);
}

TEST(Safetensors, RefusesOverlapsHolesAndTrailingBytes) {
  const auto two = [](int a_begin, int a_end, int b_begin, int b_end) {
    return fmt::format(
        R"({{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}},"b":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}})",
        a_end - a_begin, a_begin, a_end, b_end - b_begin, b_begin, b_end);
  };
  EXPECT_EQ(parse(two(0, 4, 4, 8), 8).tensors.size(), 2U);
  EXPECT_NE(refusal(two(0, 4, 3, 8), 8).find("an overlap"), std::string::npos);
  EXPECT_NE(refusal(two(0, 4, 0, 4), 4).find("an overlap"), std::string::npos);
  EXPECT_NE(refusal(two(0, 4, 5, 8), 8).find("a hole"), std::string::npos);
  EXPECT_NE(refusal(two(1, 4, 4, 8), 8).find("a hole"), std::string::npos);
  EXPECT_NE(refusal(two(0, 4, 4, 8), 9).find("the file holds 9"), std::string::npos);
  EXPECT_NE(refusal(two(0, 4, 4, 8), 7).find("the file holds 7"), std::string::npos);
}

TEST(Safetensors, RefusesShapesThatDoNotFitTheirOffsets) {
  const auto one = [](const std::string& dtype, const std::string& shape,
                      const std::string& offsets) {
    return fmt::format(R"({{"w":{{"dtype":"{}","shape":[{}],"data_offsets":[{}]}}}})", dtype, shape,
                       offsets);
  };
  refusal(one("F32", "2", "0,4"), 4);
  refusal(one("F32", "1", "4,0"), 4);
  refusal(one("F32", "", "0,8"), 8);
  refusal(one("F64", "4294967296,4294967296", "0,0"), 0);
  refusal(one("U8", "4294967296,4294967296,0", "0,0"), 0);
  refusal(one("U8", "18446744073709551615", "0,1"), 1);
  refusal(one("U8", "9223372036854775807", "0,9223372036854775807"), 1);
  refusal(one("F64", "2305843009213693952", "0,0"), 0);
}

TEST(Safetensors, NamesElementTypesThatItDoesNotRead) {
  EXPECT_NE(refusal(R"({"w":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}})", 8,
                    ErrorCode::kUnsupported)
                .find("C64"),
            std::string::npos);
}

TEST(Safetensors, SurvivesEveryCutAndThousandsOfFlips) {
  const std::string valid = file_with(
      R"({"b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"__metadata__":{"format":"pt"},)"
      R"("a":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}})",
      14);
  const auto parse_file = [](auto file) { parse_safetensors(file); };
  expect_survives_damage(parse_file, valid, valid.size());
  expect_survives_flips(parse_file, valid, 5000);
}

TEST(SafetensorsWriter, RoundTripsEveryElementTypeByteForByte) {
  const TemporaryFolder folder;
  const std::string data(64, '\x5a');
  std::vector<TensorView> tensors;
  for (const DType dtype : kTypes) {
    tensors.push_back({"t." + std::string(to_string(dtype)),
                       dtype,
                       {2, 2},
                       reinterpret_cast<const std::byte*>(data.data()),
                       static_cast<uint64_t>(4 * block_bytes(dtype)),
                       nullptr});
  }
  tensors.push_back({"empty", DType::kF32, {0, 3}, nullptr, 0, nullptr});
  write_safetensors(folder / "a.safetensors", tensors, {{"format", "pt"}});
  const TensorMap map = read_safetensors(folder / "a.safetensors");
  ASSERT_EQ(map.tensors.size(), tensors.size());
  for (const TensorView& expected : tensors) {
    const TensorView& tensor = map.at(expected.name);
    EXPECT_EQ(tensor.dtype, expected.dtype);
    EXPECT_EQ(tensor.shape, expected.shape);
    EXPECT_EQ(hex_of(tensor), hex_of(expected));
    EXPECT_EQ(tensor.owner, map.tensors.front().owner) << tensor.name << " was not aligned";
  }
  EXPECT_EQ(map.metadata.at("format"), "pt");
}

TEST(SafetensorsWriter, LaysTheDataOutAsTheReferenceDoes) {
  // safetensors 0.8.0: save({"b": int16 [1, 2], "a": float32 [1.0]}).
  const std::string reference =
      std::string("p\0\0\0\0\0\0\0", 8) +
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"I16","shape":[2],"data_offsets":[4,8]}}     )" +
      std::string("\0\0\x80\x3f\1\0\2\0", 8);
  const TensorMap theirs = parse_safetensors(file_of(reference));
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {theirs.at("b"), theirs.at("a")});
  const std::string ours = file_bytes((folder / "a").string());
  EXPECT_EQ(ours.size() % 8, 0U);
  EXPECT_EQ(ours.substr(ours.size() - 8), reference.substr(reference.size() - 8));
}

TEST(SafetensorsWriter, TakesPiecesOfAnySize) {
  const TemporaryFolder folder;
  SafetensorsWriter writer(folder / "a", {{"x", DType::kU8, {3}}, {"y", DType::kU8, {4}}});
  writer.append("ab", 2);
  writer.append("cde", 3);
  writer.append("fg", 2);
  writer.finish();
  const TensorMap map = read_safetensors(folder / "a");
  EXPECT_EQ(hex_of(map.at("x")), "616263");
  EXPECT_EQ(hex_of(map.at("y")), "64656667");
}

TEST(SafetensorsWriter, RefusesWhatTheFormatCannotHold) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::vector<TensorSpec>& specs,
                           const std::map<std::string, std::string>& metadata = {}) {
    EXPECT_EQ(error_of([&] { SafetensorsWriter writer(folder / "a", specs, metadata); }),
              ErrorCode::kInvalidArgument);
  };
  refused({{"x", DType::kU8, {1}}, {"x", DType::kU8, {1}}});
  refused({{"__metadata__", DType::kU8, {1}}});
  refused({{"\xff", DType::kU8, {1}}});
  refused({{"x", DType::kQ4_0, {32}}});
  refused({{"x", DType::kU8, {-1}}});
  refused({}, {{"a", "\xff"}});
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SafetensorsWriter, RefusesWrongOrderAndSizesAndLeavesNothing) {
  const TemporaryFolder folder;
  {
    SafetensorsWriter writer(folder / "a", {{"x", DType::kU8, {3}}, {"y", DType::kU8, {4}}});
    EXPECT_EQ(error_of([&] { writer.write("y", "abcd", 4); }), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of([&] { writer.write("x", "abcd", 4); }), ErrorCode::kInvalidArgument);
    writer.write("x", "abc", 3);
    EXPECT_EQ(error_of([&] { writer.finish(); }), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of([&] { writer.append("abcde", 5); }), ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace weir::io
