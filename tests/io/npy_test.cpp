#include "weir/io/npy.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "corruption.h"
#include "file_bytes.h"
#include "temporary_folder.h"
#include "weir/io/npy_header.h"
#include "weir/io/zip_archive.h"

namespace weir::io {
namespace {

// Files and values come from numpy itself: tests/golden/npy/README.md.
std::string npy_path(const std::string& name) { return golden_path("npy/" + name); }

nlohmann::json golden_values() {
  return nlohmann::json::parse(file_bytes(npy_path("golden.json")));
}

void expect_golden(const TensorView& tensor, const nlohmann::json& expected) {
  EXPECT_EQ(to_string(tensor.dtype), expected["dtype"].get<std::string>()) << tensor.name;
  EXPECT_EQ(tensor.shape, expected["shape"].get<std::vector<int64_t>>()) << tensor.name;
  EXPECT_EQ(hex_of(tensor), expected["hex"].get<std::string>()) << tensor.name;
}

std::string npy_with(const std::string& dictionary, size_t data_bytes) {
  std::string bytes("\x93NUMPY\1\0", 8);
  bytes += static_cast<char>(dictionary.size() & 0xff);
  bytes += static_cast<char>(dictionary.size() >> 8);
  return bytes + dictionary + std::string(data_bytes, '\1');
}

std::string refusal(const std::string& bytes, ErrorCode expected = ErrorCode::kCorruptData) {
  std::string message;
  EXPECT_EQ(error_of([&] { parse_npy(file_of(bytes, "a.npy")); }, &message), expected)
      << message << " for " << bytes;
  EXPECT_EQ(message.find("a.npy"), 0U) << message;
  return message;
}

TEST(Npy, ReadsWhatNumpySavedInEveryVersion) {
  const auto golden = golden_values();
  for (const char* name : {"version1.npy", "version2.npy", "version3.npy"}) {
    const TensorMap map = read_npy(npy_path(name));
    ASSERT_EQ(map.tensors.size(), 1U);
    EXPECT_EQ(map.tensors[0].name, "data");
    expect_golden(map.tensors[0], golden["fortran"]);
  }
}

TEST(Npz, ReadsWhatNumpySavedStoredAndDeflated) {
  const auto golden = golden_values();
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const TensorMap map = read_npz(npy_path(name));
    ASSERT_EQ(map.tensors.size(), golden.size());
    for (const auto& [array, expected] : golden.items()) expect_golden(map.at(array), expected);
  }
}

TEST(Npy, RefusesElementTypesThatItCannotHold) {
  for (const char* name : {"big_endian", "complex", "text", "record", "object", "date"}) {
    std::string message;
    EXPECT_EQ(error_of([&] { read_npy(npy_path(name + std::string(".npy"))); }, &message),
              ErrorCode::kUnsupported)
        << name;
    EXPECT_NE(message.find(name), std::string::npos) << message;
  }
}

TEST(Npy, RefusesBrokenHeaders) {
  const std::string valid = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  EXPECT_EQ(parse_npy(file_of(npy_with(valid, 8))).tensors[0].n_bytes, 8U);
  EXPECT_EQ(
      parse_npy(file_of(npy_with("{\"shape\":(),\"descr\":\"|u1\",\"fortran_order\":True}\n", 1)))
          .tensors[0]
          .n_bytes,
      1U);
  refusal("");
  refusal("\x93NUMPX\1\0xx");
  refusal(std::string("\x93NUMPY\4\0\0\0", 10));
  refusal(std::string("\x93NUMPY\1\0\xff\xff{}", 12));
  refusal(std::string("\x93NUMPY\2\0\xff\xff\xff\xff{}", 14));
  for (const char* dictionary :
       {"", "{}", "[]", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [2]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296,0)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
        "{'descr': <f4, 'fortran_order': False, 'shape': (2,)}"}) {
    refusal(npy_with(dictionary, 8));
  }
  std::string deep = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < 65; ++i) deep += "1,";
  refusal(npy_with(deep + ")}", 4));
}

TEST(Npy, RefusesMoreOrLessDataThanTheShapeNeeds) {
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  EXPECT_NE(refusal(npy_with(header, 7)).find("needs 8 bytes, found 7"), std::string::npos);
  EXPECT_NE(refusal(npy_with(header, 9)).find("needs 8 bytes, found 9"), std::string::npos);
  refusal(npy_with("{'descr': '<f8', 'fortran_order': True, 'shape': (1048576,1048576)}", 8));
}

TEST(Npz, RefusesEntriesThatAreNoArraysOrOfAnotherSize) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& name, const std::string& bytes) {
    ZipWriter writer(folder / "a.npz");
    writer.add(name, bytes);
    writer.finish();
    std::string message;
    EXPECT_EQ(error_of([&] { read_npz(folder / "a.npz"); }, &message), ErrorCode::kCorruptData);
    EXPECT_NE(message.find("a.npz"), std::string::npos) << message;
  };
  refused("readme.txt", "hello");
  refused("a.npy", "hello");
  refused("a.npy", npy_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 7));
}

TEST(Npz, RoundTripsEveryElementTypeOfNumpy) {
  const TemporaryFolder folder;
  const TensorMap original = read_npz(npy_path("stored.npz"));
  write_npz(folder / "a.npz", original.tensors);
  const TensorMap map = read_npz(folder / "a.npz");
  ASSERT_EQ(map.tensors.size(), original.tensors.size());
  for (const TensorView& expected : original.tensors) {
    const TensorView& tensor = map.at(expected.name);
    EXPECT_EQ(tensor.dtype, expected.dtype);
    EXPECT_EQ(tensor.shape, expected.shape);
    EXPECT_EQ(hex_of(tensor), hex_of(expected));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data) % 64, 0U) << "numpy aligns to 64";
  }
}

TEST(Npz, RefusesToWriteWhatNumpyCannotHold) {
  const TemporaryFolder folder;
  const uint16_t zero = 0;
  const auto* data = reinterpret_cast<const std::byte*>(&zero);
  const auto refused = [&](const std::vector<TensorView>& tensors) {
    EXPECT_EQ(error_of([&] { write_npz(folder / "a.npz", tensors); }), ErrorCode::kInvalidArgument);
  };
  refused({{"a", DType::kBF16, {1}, data, 2, nullptr}});
  refused({{"a", DType::kF8E4M3, {1}, data, 1, nullptr}});
  refused({{"a", DType::kF16, {1}, data, 2, nullptr}, {"a", DType::kF16, {1}, data, 2, nullptr}});
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Npy, SurvivesEveryCutAndThousandsOfFlips) {
  const std::string valid = file_bytes(npy_path("version1.npy"));
  expect_survives_damage([](auto file) { parse_npy(file); }, valid, valid.size());
  expect_survives_flips([](auto file) { parse_npy(file); }, valid, 5000);
}

TEST(Npz, SurvivesEveryCutAndThousandsOfFlips) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const std::string valid = file_bytes(npy_path(name));
    expect_survives_damage([](auto file) { parse_npz(file); }, valid, 64);
    expect_survives_flips([](auto file) { parse_npz(file); }, valid, 3000);
  }
}

}  // namespace
}  // namespace weir::io
