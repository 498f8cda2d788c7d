#include "weir/tensor/matrix.h"

#include <cstring>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "weir/base/error.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

// Blocks of Q4_1 rows [n_out, n_in] whose scales are 2^-4 and whose minima are -0.5.
Matrix quantised(int64_t n_out, int64_t n_in) {
  const int64_t n_blocks = n_out * n_in / 32;
  const at::Tensor bytes = at::randint(256, {n_blocks, 20}, at::kByte);
  bytes.slice(1, 0, 4).copy_(at::tensor({0x00, 0x2c, 0x00, 0xb8}, at::kByte));
  io::TensorView view = to_view("w", bytes);
  view.dtype = io::DType::kQ4_1;
  view.shape = {n_out, n_in};
  return Matrix::from_rows(view);
}

double relative_gap(const at::Tensor& y, const at::Tensor& expected) {
  return ((y.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

// Every path against the dense product in double precision: few rows go through the kernels, many
// through tiles. A float32 sum of 300 terms taken one after the other is off by 6e-8 sqrt(300) =
// 1e-6 of its size on average; 3e-6 allows the largest of some thousand results three times that.
void expect_products(const Matrix& matrix, double tolerance = 3e-6) {
  const at::Tensor w = matrix.dense(at::kDouble);
  const at::Tensor bias = at::randn({matrix.n_out()});
  for (const int64_t n : {1, 3, 8, 16, 31, 40}) {
    const at::Tensor x = at::randn({n, matrix.n_in()});
    const at::Tensor expected = at::matmul(x.to(at::kDouble), w);
    EXPECT_LT(relative_gap(matrix.apply(x), expected), tolerance) << n;
    EXPECT_LT(relative_gap(matrix.apply(x, bias), expected + bias), tolerance) << n;
  }
}

TEST(Matrix, QuantisedProductsMatchTheDenseOnes) {
  expect_products(quantised(70, 288));
  expect_products(quantised(1500, 64));
}

TEST(Matrix, DenseProductsMatchInEveryLayoutAndPrecision) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    expect_products(Matrix(at::randn({300, 71}).to(type)));
    expect_products(Matrix(at::randn({71, 300}).to(type).t()));
    expect_products(Matrix(at::randn({1100, 300}).to(type).t()));
    expect_products(Matrix(at::randn({300, 140}).to(type).slice(1, 7, 77)));
    expect_products(Matrix(at::randn({300, 140}).to(type).slice(1, 0, 140, 2)));
  }
}

TEST(Matrix, KeepsTheShapeAndPrecisionOfItsInput) {
  const Matrix matrix = quantised(70, 64);
  const at::Tensor x = at::randn({2, 3, 64});
  EXPECT_EQ(matrix.apply(x).sizes(), (at::IntArrayRef{2, 3, 70}));
  const at::Tensor half = matrix.apply(x.to(at::kBFloat16));
  EXPECT_EQ(half.scalar_type(), at::kBFloat16);
  // bfloat16 keeps 8 bits: 2^-8 of the largest value for the input and as much for the output.
  EXPECT_LT(relative_gap(half, matrix.apply(x).to(at::kDouble)), 1e-2);
}

TEST(Matrix, GradientsFlowThroughEveryForm) {
  const at::Tensor w = at::randn({64, 70});
  for (const Matrix& matrix : {Matrix(w), Matrix(w.to(at::kBFloat16)), quantised(70, 64)}) {
    const at::Tensor x = at::randn({3, 64}).set_requires_grad(true);
    matrix.apply(x).sum().backward();
    EXPECT_LT(relative_gap(x.grad(), matrix.dense(at::kDouble).sum(1).expand({3, 64})), 1e-5);
  }
  const at::Tensor trained = at::randn({64, 70}).set_requires_grad(true);
  Matrix(trained).apply(at::ones({2, 64})).sum().backward();
  EXPECT_TRUE(trained.grad().equal(at::full({64, 70}, 2.0)));
}

TEST(Matrix, EqualInputsGiveEqualResults) {
  const Matrix matrix = quantised(1500, 288);
  const at::Tensor x = at::randn({8, 288});
  EXPECT_TRUE(matrix.apply(x).equal(matrix.apply(x)));
}

TEST(Matrix, SelectsAndSlicesOutputsOfBlocks) {
  const Matrix matrix = quantised(70, 64);
  const at::Tensor all = matrix.dense();
  EXPECT_TRUE(matrix.slice_out(10, 20).dense().equal(all.slice(1, 10, 30)));
  const at::Tensor index = at::tensor({3, 69, 0}, at::kLong);
  EXPECT_TRUE(matrix.select_out(index).dense().equal(all.index_select(1, index)));
  EXPECT_TRUE(matrix.lookup(index, at::kFloat).equal(all.t().index_select(0, index)));
}

TEST(Matrix, RefusesIdsOutsideTheTable) {
  const Matrix matrix = quantised(70, 64);
  EXPECT_THROW(matrix.lookup(at::tensor({70}, at::kLong), at::kFloat), Error);
  EXPECT_THROW(matrix.lookup(at::tensor({-1}, at::kLong), at::kFloat), Error);
}

TEST(Matrix, TogetherIsEachAlone) {
  at::manual_seed(8);
  const at::Tensor bias = at::randn({70}), none;
  const Matrix blocks = quantised(70, 64), rows = Matrix(at::randn({300, 64}).t()),
               columns = Matrix(at::randn({64, 290})),
               half = Matrix(at::randn({64, 9}).to(at::kHalf));
  for (const int64_t n : {1, 5, 40}) {
    const at::Tensor x = at::randn({2, n, 64});
    const std::vector<at::Tensor> together =
        apply_together(x, {{blocks, bias}, {rows, none}, {columns, none}, {half, none}});
    EXPECT_TRUE(together[0].equal(blocks.apply(x, bias)));
    EXPECT_TRUE(together[1].equal(rows.apply(x)));
    EXPECT_TRUE(together[2].equal(columns.apply(x)));
    EXPECT_TRUE(together[3].equal(half.apply(x)));
  }
  EXPECT_THROW(apply_together(at::randn({1, 64}), {{rows, none}, {quantised(70, 96), none}}),
               Error);
}

TEST(Matrix, RefusesInputsOfAnotherWidth) {
  EXPECT_THROW(quantised(70, 64).apply(at::randn({2, 63})), Error);
}

}  // namespace
}  // namespace weir
