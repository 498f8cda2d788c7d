#include "weir/sae/kinds/sparse_latents.h"

#include <gtest/gtest.h>

#include "tests/support/max_difference.h"
#include "weir/base/error.h"

namespace weir {
namespace {

TEST(SparseLatents, ComeBackFromDense) {
  const at::Tensor dense = at::randn({4, 3, 9}) * (at::rand({4, 3, 9}) < 0.3);
  const SparseLatents sparse = to_sparse(dense);
  EXPECT_EQ(sparse.values.size(-1), (dense != 0).sum(-1).max().item<int64_t>());
  EXPECT_EQ(max_difference(to_dense(sparse, 9), dense), 0);
  EXPECT_EQ(to_sparse(at::zeros({2, 9})).values.size(-1), 1);
  EXPECT_EQ(to_sparse(at::zeros({0, 9})).values.size(0), 0);
}

TEST(SparseLatents, RowsAreWeighted) {
  const at::Tensor dense = at::randn({37, 50}) * (at::rand({37, 50}) < 0.2);
  const at::Tensor rows = at::randn({50, 13});
  // At most 50 products of numbers near 1.
  EXPECT_LT(max_difference(weighted_rows(to_sparse(dense), rows), dense.mm(rows)), 2e-5);
  const at::Tensor wide = rows.to(at::kDouble);
  EXPECT_LT(max_difference(weighted_rows(to_sparse(dense.to(at::kDouble)), wide),
                           dense.to(at::kDouble).mm(wide)),
            1e-13);
}

TEST(SparseLatents, GradientsAreThoseOfTheDenseProduct) {
  SparseLatents sparse{at::randint(0, 20, {6, 4}, at::kLong), at::randn({6, 4}, at::kDouble)};
  for (int64_t i = 0; i < 6; ++i) sparse.indices[i] = at::randperm(20).narrow(0, 0, 4);
  const at::Tensor rows = at::randn({20, 5}, at::kDouble).requires_grad_(true);
  sparse.values.requires_grad_(true);
  const at::Tensor wanted = at::randn({6, 5}, at::kDouble);
  (weighted_rows(sparse, rows) * wanted).sum().backward();
  const at::Tensor values = sparse.values.grad().clone(), table = rows.grad().clone();
  sparse.values.mutable_grad().reset();
  rows.mutable_grad().reset();
  (to_dense(sparse, 20).mm(rows) * wanted).sum().backward();
  EXPECT_LT(max_difference(values, sparse.values.grad()), 1e-12);
  EXPECT_LT(max_difference(table, rows.grad()), 1e-12);
}

TEST(SparseLatents, IndicesBeyondTheRowsAreRefused) {
  const SparseLatents sparse{at::full({1, 1}, 5, at::kLong), at::ones({1, 1})};
  EXPECT_THROW(weighted_rows(sparse, at::randn({5, 3})), Error);
}

}  // namespace
}  // namespace weir
