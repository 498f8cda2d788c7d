#include "weir/io/torch_writer.h"

#include <cstring>

#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "weir/base/error.h"
#include "weir/io/torch_archive.h"

namespace weir::io {
namespace {

template <typename T>
TensorView view(const std::string& name, DType dtype, std::vector<int64_t> shape,
                const std::vector<T>& values) {
  TensorView tensor;
  tensor.name = name;
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.data = reinterpret_cast<const std::byte*>(values.data());
  tensor.n_bytes = values.size() * sizeof(T);
  return tensor;
}

// That torch.load reads such files too was seen with torch 2.15 (docs/methods/tuned-lens.md).
TEST(TorchWriter, WhatIsWrittenIsRead) {
  const TemporaryFolder folder;
  const std::vector<float> weight = {1, 2, 3, 4, 5, 6};
  const std::vector<int64_t> ids = {-1, 7};
  const std::vector<double> scalar = {0.5}, none;
  const auto path = folder / "p.pt";
  write_torch_archive(
      path, {view("0.weight", DType::kF32, {2, 3}, weight), view("ids", DType::kI64, {2}, ids),
             view("scalar", DType::kF64, {}, scalar), view("none", DType::kF64, {0, 4}, none)});
  const TensorMap found = read_torch_archive(path);
  ASSERT_EQ(found.tensors.size(), 4u);
  EXPECT_EQ(found.tensors[0].name, "0.weight") << "in the given order";
  const auto same = [&](const char* name, std::vector<int64_t> shape, const void* data) {
    const TensorView& tensor = found.at(name);
    EXPECT_EQ(tensor.shape, shape) << name;
    EXPECT_EQ(std::memcmp(tensor.data, data, tensor.n_bytes), 0) << name;
  };
  same("0.weight", {2, 3}, weight.data());
  same("ids", {2}, ids.data());
  same("scalar", {}, scalar.data());
  EXPECT_EQ(found.at("none").shape, (std::vector<int64_t>{0, 4}));
}

TEST(TorchWriter, RefusesTypesThatPyTorchLacks) {
  const TemporaryFolder folder;
  const std::vector<uint64_t> values = {1};
  EXPECT_THROW(write_torch_archive(folder / "p.pt", {view("x", DType::kU64, {1}, values)}), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "p.pt"));
}

}  // namespace
}  // namespace weir::io
