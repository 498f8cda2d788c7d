#include "weir/io/tensor_view.h"

#include <gtest/gtest.h>

#include "corruption.h"

namespace weir::io {
namespace {

TEST(TensorBytes, CountsElementsAndBlocks) {
  uint64_t n_bytes = 0;
  ASSERT_TRUE(tensor_bytes(DType::kF32, {2, 3}, &n_bytes));
  EXPECT_EQ(n_bytes, 24U);
  ASSERT_TRUE(tensor_bytes(DType::kF64, {}, &n_bytes));
  EXPECT_EQ(n_bytes, 8U);
  ASSERT_TRUE(tensor_bytes(DType::kQ4_1, {2, 64}, &n_bytes));
  EXPECT_EQ(n_bytes, 80U);
  ASSERT_TRUE(tensor_bytes(DType::kQ6_K, {256}, &n_bytes));
  EXPECT_EQ(n_bytes, 210U);
  ASSERT_TRUE(tensor_bytes(DType::kBF16, {5, 0, 7}, &n_bytes));
  EXPECT_EQ(n_bytes, 0U);
}

TEST(TensorBytes, RefusesOverflowNegativeSizesAndBrokenRows) {
  uint64_t n_bytes = 0;
  EXPECT_FALSE(tensor_bytes(DType::kU8, {int64_t{1} << 32, int64_t{1} << 32}, &n_bytes));
  EXPECT_FALSE(tensor_bytes(DType::kF64, {int64_t{1} << 61}, &n_bytes));
  EXPECT_FALSE(tensor_bytes(DType::kU8, {-1}, &n_bytes));
  EXPECT_FALSE(tensor_bytes(DType::kQ8_0, {64, 16}, &n_bytes));
  EXPECT_FALSE(tensor_bytes(DType::kQ4_K, {}, &n_bytes));
}

TEST(DType, EveryNameBelongsToItsOwnRow) {
  EXPECT_EQ(to_string(DType::kF64), "F64");
  EXPECT_EQ(to_string(DType::kF8E5M2), "F8_E5M2");
  EXPECT_EQ(to_string(DType::kBool), "BOOL");
  EXPECT_EQ(to_string(DType::kQ4_0), "Q4_0");
  EXPECT_EQ(to_string(DType::kQ6_K), "Q6_K");
  EXPECT_FALSE(is_block_type(DType::kBool));
  for (const DType real : {DType::kF64, DType::kBF16, DType::kF8E5M2, DType::kQ4_0, DType::kQ6_K}) {
    EXPECT_TRUE(is_real(real)) << to_string(real);
  }
  for (const DType other : {DType::kI64, DType::kI8, DType::kU64, DType::kU8, DType::kBool}) {
    EXPECT_FALSE(is_real(other)) << to_string(other);
  }
  EXPECT_TRUE(is_block_type(DType::kQ4_0));
}

TEST(TensorMap, NamesTheNearestTensor) {
  TensorMap map;
  map.source = "m.safetensors";
  map.tensors.resize(2);
  map.tensors[0].name = "wte.weight";
  map.tensors[1].name = "wpe.weight";
  EXPECT_EQ(map.at("wpe.weight").name, "wpe.weight");
  EXPECT_EQ(map.find("absent"), nullptr);
  std::string message;
  EXPECT_EQ(error_of([&] { map.at("wte.wieght"); }, &message), ErrorCode::kNotFound);
  EXPECT_NE(message.find("m.safetensors"), std::string::npos);
  EXPECT_NE(message.find("wte.weight"), std::string::npos);
}

}  // namespace
}  // namespace weir::io
