#include "weir/io/dequantize.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "corruption.h"
#include "tests/support/golden.h"
#include "weir/base/ends_with.h"
#include "weir/io/gguf.h"

namespace weir::io {
namespace {

/// The tensors of the golden topic `gguf`, read by hand so that this test needs no reader.
class GoldenQuants {
 public:
  GoldenQuants() : file_(MappedFile::open(path())) {
    uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, file_->data(), sizeof(header_bytes));
    start_ = sizeof(header_bytes) + header_bytes;
    header_ = nlohmann::json::parse(file_->bytes().substr(sizeof(header_bytes), header_bytes));
  }
  static std::string path() { return golden_topic("gguf") / "quants.safetensors"; }
  /// "Q4_K" for every "Q4_K.blocks"; none when there is no file.
  static std::vector<std::string> types() {
    std::vector<std::string> names;
    if (!std::filesystem::exists(path())) return names;
    const nlohmann::json header = GoldenQuants().header_;
    for (const auto& [name, tensor] : header.items()) {
      if (ends_with(name, ".blocks")) names.push_back(name.substr(0, name.find('.')));
    }
    return names;
  }

  const std::byte* data(const std::string& name) const {
    return file_->data() + start_ + header_.at(name)["data_offsets"][0].get<size_t>();
  }
  int64_t n_elements(const std::string& name) const {
    const auto& shape = header_.at(name)["shape"];
    return shape[0].get<int64_t>() * shape[1].get<int64_t>();
  }

 private:
  std::shared_ptr<const MappedFile> file_;
  size_t start_ = 0;
  nlohmann::json header_;
};

DType type_called(const std::string& name) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ4_1,
                           DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ2_K, DType::kQ3_K,
                           DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    if (to_string(type) == name) return type;
  }
  fail(ErrorCode::kInvalidArgument, "test: no type {}", name);
}

class GoldenGguf : public testing::TestWithParam<std::string> {};

TEST_P(GoldenGguf, ValuesOfATypeAreTheReferences) {
  const GoldenQuants golden;
  const std::string& name = GetParam();
  const int64_t n = golden.n_elements(name + ".values");
  std::vector<float> expected(n);
  std::memcpy(expected.data(), golden.data(name + ".values"), n * sizeof(float));
  std::vector<float> values(n);
  dequantize(type_called(name), golden.data(name + ".blocks"), n, values.data());
  // Same operations in the same order; a compiler that fuses `a * b + c` may differ in the last
  // bit of the larger term, which no row exceeds by more than its largest magnitude.
  float largest = 0;
  for (const float value : expected) largest = std::max(largest, std::abs(value));
  const float tolerance = largest * std::numeric_limits<float>::epsilon();
  int n_unequal = 0;
  for (int64_t i = 0; i < n; ++i) {
    ASSERT_NEAR(values[i], expected[i], tolerance) << i;
    n_unequal += values[i] != expected[i] ? 1 : 0;
  }
  RecordProperty("unequal_values", n_unequal);
}

TEST(GoldenGgufFolder, HasCases) { EXPECT_FALSE(GoldenQuants::types().empty()); }

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenGguf);
INSTANTIATE_TEST_SUITE_P(Types, GoldenGguf, testing::ValuesIn(GoldenQuants::types()),
                         [](const auto& type) { return case_name(type.param); });

TEST(Dequantize, ConvertsPlainNumbers) {
  const auto one = [](DType dtype, auto value) {
    float out = -1;
    dequantize(dtype, reinterpret_cast<const std::byte*>(&value), 1, &out);
    return out;
  };
  EXPECT_EQ(one(DType::kF64, 0.1), 0.1F);
  EXPECT_EQ(one(DType::kI64, int64_t{-5}), -5.0F);
  EXPECT_EQ(one(DType::kI32, int32_t{-7}), -7.0F);
  EXPECT_EQ(one(DType::kI16, int16_t{-300}), -300.0F);
  EXPECT_EQ(one(DType::kI8, int8_t{-128}), -128.0F);
  EXPECT_EQ(one(DType::kU64, ~uint64_t{0}), 18446744073709551616.0F);
  EXPECT_EQ(one(DType::kU32, 4000000000U), 4000000000.0F);
  EXPECT_EQ(one(DType::kU16, uint16_t{65535}), 65535.0F);
  EXPECT_EQ(one(DType::kU8, uint8_t{255}), 255.0F);
  EXPECT_EQ(one(DType::kBool, uint8_t{1}), 1.0F);
}

TEST(Dequantize, RefusesAPartOfABlock) {
  const std::byte block[20] = {};
  float out[32];
  EXPECT_EQ(error_of([&] { dequantize(DType::kQ4_1, block, 31, out); }),
            ErrorCode::kInvalidArgument);
}

TEST(SmallFloats, HalfCoversZerosSubnormalsAndSpecials) {
  EXPECT_EQ(half_to_float(0x3c00), 1.0F);
  EXPECT_EQ(half_to_float(0xc000), -2.0F);
  EXPECT_EQ(half_to_float(0x7bff), 65504.0F);
  EXPECT_EQ(half_to_float(0x0001), 5.9604644775390625e-8F);
  EXPECT_EQ(half_to_float(0x83ff), -6.097555160522461e-5F);
  EXPECT_TRUE(std::signbit(half_to_float(0x8000)));
  EXPECT_EQ(half_to_float(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(half_to_float(0x7e01)));
  EXPECT_EQ(bfloat16_to_float(0x3fc0), 1.5F);
}

// Values of the OCP 8-bit floating point specification, table 2.
TEST(SmallFloats, EightBitFormatsHaveTheirSpecifiedLimits) {
  EXPECT_EQ(e4m3_to_float(0x7e), 448.0F);
  EXPECT_EQ(e4m3_to_float(0x08), 0.015625F);
  EXPECT_EQ(e4m3_to_float(0x07), 0.013671875F);
  EXPECT_EQ(e4m3_to_float(0x81), -0.001953125F);
  EXPECT_TRUE(std::isnan(e4m3_to_float(0xff)));
  EXPECT_EQ(e5m2_to_float(0x7b), 57344.0F);
  EXPECT_EQ(e5m2_to_float(0x04), 6.103515625e-5F);
  EXPECT_EQ(e5m2_to_float(0x01), 1.52587890625e-5F);
  EXPECT_EQ(e5m2_to_float(0xfc), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(e5m2_to_float(0x7d)));
}

}  // namespace
}  // namespace weir::io
