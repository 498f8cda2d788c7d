#include "weir/io/file_tensor.h"

#include <gtest/gtest.h>

#include "corruption.h"
#include "file_bytes.h"

namespace weir::io {
namespace {

TEST(FileTensor, PointsIntoTheFileWhenAligned) {
  const auto file = file_of("0123456789abcdef");
  const TensorView tensor = file_tensor(file, "w", DType::kF32, {2}, 4);
  EXPECT_EQ(tensor.data, file->data() + 4);
  EXPECT_EQ(tensor.n_bytes, 8U);
  EXPECT_EQ(tensor.owner, file);
}

TEST(FileTensor, CopiesOnceWhenNotAligned) {
  const auto file = file_of("0123456789abcdef");
  const TensorView tensor = file_tensor(file, "w", DType::kF32, {1}, 3);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data) % 4, 0U);
  EXPECT_EQ(hex_of(tensor), "33343536");
  EXPECT_NE(tensor.owner, file);
}

TEST(FileTensor, RefusesWhatDoesNotLieInTheFile) {
  const auto file = file_of("0123456789abcdef", "a.bin");
  const auto refused = [&](std::vector<int64_t> shape, uint64_t offset) {
    std::string message;
    EXPECT_EQ(
        error_of([&] { file_tensor(file, "w", DType::kF32, std::move(shape), offset); }, &message),
        ErrorCode::kCorruptData);
    EXPECT_EQ(message.find("a.bin: tensor 'w'"), 0U) << message;
  };
  refused({5}, 0);
  refused({1}, 13);
  refused({1}, ~uint64_t{0});
  refused({-1}, 0);
  refused({int64_t{1} << 62, 4}, 0);
  EXPECT_EQ(file_tensor(file, "w", DType::kF32, {0}, 16).n_bytes, 0U);
}

}  // namespace
}  // namespace weir::io
