// Against the dense product in float64. There rounding is 1e-16 of the largest singular value,
// grown by some hundred sums: 1e-12 leaves room for every kernel.
#include "weir/tensor/factored_matrix.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/max_difference.h"
#include "weir/base/error.h"

namespace weir {
namespace {

constexpr double kTolerance = 1e-12;

FactoredMatrix random(at::IntArrayRef left, at::IntArrayRef right) {
  at::manual_seed(5);
  return {at::randn(left, at::kDouble), at::randn(right, at::kDouble)};
}

void expect_like_dense(const FactoredMatrix& matrix) {
  const at::Tensor dense = at::matmul(matrix.left, matrix.right);
  EXPECT_LT(max_difference(matrix.product(), dense), kTolerance);
  const at::Tensor norm = dense.square().sum({-2, -1}).sqrt();
  EXPECT_LT(((matrix.norm() - norm) / norm).abs().max().item<double>(), kTolerance);
  const Svd svd = matrix.svd();
  const int64_t rank = svd.S.size(-1);
  const at::Tensor values = std::get<1>(at::linalg_svd(dense, false)).slice(-1, 0, rank);
  const double largest = values.max().item<double>();
  EXPECT_LT(max_difference(svd.S, values) / largest, kTolerance);
  const at::Tensor rebuilt = at::matmul(svd.U * svd.S.unsqueeze(-2), svd.Vh);
  EXPECT_LT(max_difference(rebuilt, dense) / largest, kTolerance);
  const at::Tensor eye = at::eye(rank, at::kDouble).expand_as(at::matmul(svd.U.mT(), svd.U));
  EXPECT_LT(max_difference(at::matmul(svd.U.mT(), svd.U), eye), kTolerance);
  EXPECT_LT(max_difference(at::matmul(svd.Vh, svd.Vh.mT()), eye), kTolerance);
}

TEST(FactoredMatrix, IsLikeItsDenseProduct) {
  expect_like_dense(random({40, 7}, {7, 33}));
  expect_like_dense(random({3, 2, 20, 5}, {3, 2, 5, 20}));
  expect_like_dense(random({4, 9}, {9, 6}));  // Wide factors: the rank is that of the outside.
}

TEST(FactoredMatrix, KeepsSmallSingularValues) {
  // Gram matrices would square 1e-10 into the rounding.
  const at::Tensor scale = at::tensor({1.0, 1e-5, 1e-10}, at::kDouble);
  const at::Tensor q = std::get<0>(at::linalg_qr(at::randn({30, 3}, at::kDouble), "reduced"));
  const Svd svd = FactoredMatrix{q * scale, q.t()}.svd();
  EXPECT_LT(((svd.S - scale) / scale).abs().max().item<double>(), 1e-5);
}

TEST(FactoredMatrix, NeverMakesTheProduct) {
  // 4 million rows and columns: the product would be 64 TB.
  const FactoredMatrix tall = {at::ones({4'000'000, 1}), at::ones({1, 4'000'000})};
  EXPECT_NEAR(tall.norm().item<double>(), 4e6, 1);
}

TEST(FactoredMatrix, HasAGradient) {
  FactoredMatrix matrix = random({6, 2}, {2, 5});
  matrix.left.requires_grad_(true);
  matrix.norm().backward();
  const at::Tensor dense = matrix.product().detach();
  const at::Tensor expected = at::matmul(dense / dense.norm(), matrix.right.t());
  EXPECT_LT(max_difference(matrix.left.grad(), expected), kTolerance);
}

TEST(FactoredMatrix, RefusesFactorsThatDoNotFit) {
  EXPECT_THROW((FactoredMatrix{at::ones({3, 2}), at::ones({3, 3})}.norm()), Error);
}

}  // namespace
}  // namespace weir
