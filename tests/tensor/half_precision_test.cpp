// Half types are storage: sums run in float32 on every CPU, rounded once. The bound follows from
// that: half a unit in the last of 8 bits (bfloat16) or 11 bits (float16) of each result, and a
// float32 sum of n products of size s off by at most n 2^-24 s.
#include "weir/tensor/half_precision.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "weir/tensor/matrix.h"

namespace weir {
namespace {

constexpr int64_t kIn = 512;

void expect_rounded_once(const at::Tensor& y, const at::Tensor& exact, at::ScalarType type,
                         const std::string& what) {
  ASSERT_EQ(y.scalar_type(), type) << what;
  const double unit = std::exp2(type == at::kHalf ? -11 : -8) * (1 + 1e-3);
  const double sum = kIn * std::exp2(-24) * exact.abs().max().item<double>();
  const at::Tensor excess = (y.detach().to(at::kDouble) - exact).abs() - exact.abs() * unit - sum;
  EXPECT_LE(excess.max().item<double>(), 0) << what;
}

class HalfPrecision : public testing::TestWithParam<at::ScalarType> {
 protected:
  at::Tensor random(at::IntArrayRef shape) const { return at::randn(shape).to(GetParam()); }
};

TEST_P(HalfPrecision, ProductsOfMatricesInEveryLayout) {
  const at::ScalarType type = GetParam();
  const std::pair<const char*, Matrix> matrices[] = {
      {"rows [in, out]", Matrix(random({kIn, 70}))},
      {"rows [out, in]", Matrix(random({70, kIn}).t())},
      {"a slice", Matrix(random({kIn, 140}).slice(1, 3, 73))},
      {"every second column", Matrix(random({kIn, 140}).slice(1, 0, 140, 2))},
      {"more than a tile of columns", Matrix(random({kIn, 1300}))},
      {"more than a tile of rows", Matrix(random({1300, kIn}).t())},
      {"float32", Matrix(at::randn({kIn, 70}))}};
  for (const auto& [layout, matrix] : matrices) {
    const at::Tensor w = matrix.dense(at::kDouble), bias = random({matrix.n_out()});
    for (const int64_t n : {1, 5, 40}) {
      const at::Tensor x = random({n, kIn});
      const at::Tensor exact = at::matmul(x.to(at::kDouble), w) + bias;
      const std::string what = std::string(layout) + ", " + std::to_string(n) + " rows";
      expect_rounded_once(matrix.apply(x, bias), exact, type, what);
      expect_rounded_once(matrix.apply(x.detach().requires_grad_(true), bias), exact, type,
                          what + ", with a graph");
    }
  }
}

TEST_P(HalfPrecision, GradientsOfAProduct) {
  const at::Tensor w = random({kIn, kIn}).requires_grad_(true);
  const at::Tensor x = random({kIn, kIn}).requires_grad_(true), dy = random({kIn, kIn});
  Matrix(w).apply(x).backward(dy);
  expect_rounded_once(x.grad(), at::matmul(dy.to(at::kDouble), w.detach().to(at::kDouble).t()),
                      GetParam(), "to x");
  expect_rounded_once(w.grad(), at::matmul(x.detach().to(at::kDouble).t(), dy.to(at::kDouble)),
                      GetParam(), "to W");
}

TEST_P(HalfPrecision, ProductsAndContractions) {
  const at::Tensor a = random({3, 7, kIn}), b = random({3, kIn, 9});
  const at::Tensor exact = at::matmul(a.to(at::kDouble), b.to(at::kDouble));
  expect_rounded_once(product(a, b), exact, GetParam(), "product");
  expect_rounded_once(contraction("bij,bjk->bik", a, b), exact, GetParam(), "contraction");
}

INSTANTIATE_TEST_SUITE_P(Types, HalfPrecision, testing::Values(at::kBFloat16, at::kHalf),
                         [](const auto& instance) { return at::toString(instance.param); });

}  // namespace
}  // namespace weir
