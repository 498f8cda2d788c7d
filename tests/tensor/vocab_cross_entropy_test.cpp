#include "weir/tensor/vocab_cross_entropy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/support/max_difference.h"
#include "weir/base/error.h"

namespace weir {
namespace {

struct Case {
  int64_t n, v;
  CrossEntropyOptions options;
  bool by_rows, has_bias;
  std::string name;
};

struct Problem {
  at::Tensor x, table, b_U, labels;
  Problem(const Case& of, at::ScalarType dtype) {
    at::manual_seed(5);
    const int64_t d = 12;
    x = at::randn({of.n, d}, at::kDouble).to(dtype).requires_grad_();
    const at::Tensor values = (at::randn({d, of.v}, at::kDouble) * 0.7).to(dtype);
    table = (of.by_rows ? values.t().contiguous().t() : values.clone()).requires_grad_();
    if (of.has_bias) b_U = at::randn({of.v}, at::kDouble).to(dtype).requires_grad_();
    labels = at::randint(of.v, {of.n}, at::kLong);
    labels.index_fill_(0, at::arange(0, of.n, 3, at::kLong), kNotCounted);
  }
  std::vector<at::Tensor> leaves() const {
    return b_U.defined() ? std::vector<at::Tensor>{x, table, b_U}
                         : std::vector<at::Tensor>{x, table};
  }
};

class VocabCrossEntropy : public testing::TestWithParam<Case> {};

// Float64 goes another way: through the table of logits and autograd's own gradients.
TEST_P(VocabCrossEntropy, OfSomeRowsAtATimeIsThatOfTheWholeTable) {
  const Problem exact(GetParam(), at::kDouble), fast(GetParam(), at::kFloat);
  const auto run = [](const Problem& of) {
    return vocab_cross_entropy(of.x, Matrix(of.table), of.b_U, of.labels, GetParam().options);
  };
  const CrossEntropy a = run(exact), b = run(fast);
  // Sums of N terms near 10, each right to a few 1e-7 of itself.
  const double tolerance = 1e-6 * a.loss;
  EXPECT_NEAR(b.loss, a.loss, tolerance);
  EXPECT_NEAR(b.objective.item<double>(), a.objective.item<double>(), 2 * tolerance);
  EXPECT_NEAR(b.squared_logsumexp, a.squared_logsumexp, 1e-6 * a.squared_logsumexp);
  EXPECT_EQ(a.n_correct, b.n_correct);
  EXPECT_EQ(a.n_counted, GetParam().n - (GetParam().n + 2) / 3);
  const auto expected = torch::autograd::grad({a.objective / 7}, exact.leaves());
  const auto found = torch::autograd::grad({b.objective / 7}, fast.leaves());
  for (size_t i = 0; i < expected.size(); ++i) {
    const double largest = expected[i].abs().max().item<double>();
    EXPECT_LT(max_difference(found[i], expected[i]), 2e-5 * largest) << i;
  }
  EXPECT_EQ(found[0][0].abs().sum().item<double>(), 0) << "a row that does not count";
}

INSTANTIATE_TEST_SUITE_P(
    Cases, VocabCrossEntropy,
    testing::Values(Case{20, 101, {}, true, false, "Plain"},
                    Case{20, 101, {0.1, 1e-3, 0}, true, true, "SmoothedWithZLossAndBias"},
                    Case{20, 101, {0.1, 0, 3}, false, true, "Capped"},
                    Case{6000, 4500, {0.05, 1e-4, 0}, true, false, "InSeveralParts"}),
    [](const auto& instance) { return instance.param.name; });

TEST(VocabCrossEntropyArguments, AreChecked) {
  const at::Tensor x = at::randn({3, 4}), none = at::full({3}, kNotCounted, at::kLong);
  const Matrix table(at::randn({4, 9}));
  EXPECT_EQ(vocab_cross_entropy(x, table, {}, none).n_counted, 0);
  const auto refuses = [&](const at::Tensor& labels) {
    EXPECT_THROW(vocab_cross_entropy(x, table, {}, labels), Error);
  };
  refuses(at::tensor({0, 1, 9}, at::kLong));
  refuses(at::tensor({0, 1, -1}, at::kLong));
  refuses(at::tensor({0, 1}, at::kLong));
  const at::Tensor leaf = x.clone().requires_grad_();
  const auto once = vocab_cross_entropy(leaf, table, {}, at::zeros({3}, at::kLong));
  torch::autograd::grad({once.objective}, {leaf}, {}, /*retain_graph=*/true);
  EXPECT_THROW(torch::autograd::grad({once.objective}, {leaf}), Error) << "its gradients are gone";
}

}  // namespace
}  // namespace weir
