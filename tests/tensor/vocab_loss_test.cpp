#include "weir/tensor/vocab_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/support/refusal.h"

namespace weir {
namespace {

/// Rows, a table (transposed in memory or not) and a bias, drawn from a seed of their own.
struct Case {
  int64_t n = 7, d = 12, v = 4500;  // Several tiles wide, the last one narrow.
  double temperature = 1, softcap = 0;
  bool by_rows = true, has_bias = true;
  enum { kNone, kToken, kSparse, kDense } targets = kToken;
  enum { kAll, kPrefix, kIds } vocabulary = kAll;
  std::string name;
};

at::Tensor draw(at::IntArrayRef shape, double scale) {
  return at::randn(shape, at::kDouble) * scale;
}

struct Problem {
  at::Tensor x, table, b_U, q;  ///< table [D, V]; q: the target weights [N, V'].
  VocabScoreOptions options;

  explicit Problem(const Case& of, at::ScalarType dtype = at::kDouble) {
    at::manual_seed(11);
    x = draw({of.n, of.d}, 1).to(dtype).requires_grad_();
    const at::Tensor values = draw({of.d, of.v}, 0.7).to(dtype);
    table = (of.by_rows ? values.t().contiguous().t() : values).requires_grad_();
    if (of.has_bias) b_U = draw({of.v}, 0.5).to(dtype).requires_grad_();
    options.temperature = of.temperature;
    options.softcap = of.softcap;
    if (of.vocabulary == Case::kPrefix) options.n_vocabulary = of.v - 3;
    if (of.vocabulary == Case::kIds) options.vocabulary = at::arange(1, of.v, 3, at::kLong);
    set_targets(of, cut(at::arange(of.v, at::kLong), 0));
  }

  at::Tensor cut(const at::Tensor& t, int64_t axis) const {
    if (options.vocabulary.defined()) return t.index_select(axis, options.vocabulary);
    return options.n_vocabulary > 0 ? t.slice(axis, 0, options.n_vocabulary) : t;
  }

  void set_targets(const Case& of, const at::Tensor& ids) {
    const int64_t left = ids.size(0);
    q = at::zeros({of.n, left}, at::kDouble);
    if (of.targets == Case::kDense) {
      q = draw({of.n, left}, 1).softmax(1);
      options.dense_targets = q;
    }
    const int64_t each = of.targets == Case::kToken ? 1 : of.targets == Case::kSparse ? 5 : 0;
    std::vector<int64_t> columns, starts = {0};
    for (int64_t i = 0; i < of.n && each > 0; ++i) {
      // From the first to the last token, over all tiles; the last row of sparse ones is empty.
      for (int64_t k = 0; k < (each > 1 && i + 1 == of.n ? 0 : each); ++k) {
        const int64_t place = each > 1 ? k * (left - 1) / (each - 1) : i * (left - 1) / (of.n - 1);
        q[i][place] = each > 1 ? 0.3 + 0.1 * static_cast<double>(k) : 1;
        columns.push_back(ids[place].item<int64_t>());
      }
      starts.push_back(static_cast<int64_t>(columns.size()));
    }
    if (of.targets == Case::kToken) options.targets = at::tensor(columns, at::kLong);
    if (of.targets == Case::kSparse) {
      options.sparse_targets = {at::tensor(starts, at::kLong), at::tensor(columns, at::kLong),
                                q.masked_select(q > 0)};
    }
  }

  VocabScores plain() const {
    at::Tensor z = at::matmul(x.to(at::kDouble), cut(table, 1).to(at::kDouble));
    if (b_U.defined()) z = z + cut(b_U, 0).to(at::kDouble);
    if (options.softcap > 0) z = (z / options.softcap).tanh() * options.softcap;
    z = z / options.temperature;
    const at::Tensor log_p = z.log_softmax(1);
    return {(q * log_p).sum(1), -(log_p.exp() * log_p).sum(1), z.logsumexp(1)};
  }

  std::vector<at::Tensor> leaves() const {
    if (b_U.defined()) return {x, table, b_U};
    return {x, table};
  }
};

double relative_gap(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor exact = b.to(at::kDouble);
  return ((a.to(at::kDouble) - exact).abs().max() / exact.abs().max().clamp_min(1e-9))
      .item<double>();
}

// Different factors for each row and score, so that no term can hide behind another.
at::Tensor mixed(const VocabScores& scores) {
  at::Tensor total = at::zeros({}, at::kDouble);
  double factor = 0.7;
  for (const at::Tensor& score : {scores.log_prob, scores.entropy, scores.logsumexp}) {
    if (score.defined()) {
      const at::Tensor weights = at::linspace(factor, 1.5 * factor, score.size(0), at::kDouble);
      total = total + (score.to(at::kDouble) * weights).sum();
    }
    factor *= -1.3;
  }
  return total;
}

class VocabScoresOf : public ::testing::TestWithParam<Case> {};

// Float64 against the plain form: only the order of sums differs.
TEST_P(VocabScoresOf, AreThoseOfThePlainFormWithTheirGradients) {
  const Problem problem(GetParam());
  VocabScores plain = problem.plain();
  const VocabScores scores =
      vocab_scores(problem.x, Matrix(problem.table), problem.b_U, problem.options);
  ASSERT_EQ(scores.log_prob.defined(), GetParam().targets != Case::kNone);
  if (!scores.log_prob.defined()) plain.log_prob = at::Tensor();
  if (scores.log_prob.defined()) {
    EXPECT_LT(relative_gap(scores.log_prob, plain.log_prob), 1e-12);
  }
  EXPECT_LT(relative_gap(scores.entropy, plain.entropy), 1e-12);
  EXPECT_LT(relative_gap(scores.logsumexp, plain.logsumexp), 1e-12);
  const auto expected = torch::autograd::grad({mixed(plain)}, problem.leaves());
  const auto found = torch::autograd::grad({mixed(scores)}, problem.leaves());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(relative_gap(found[i], expected[i]), 1e-11) << "input " << i;
  }
}

// Float32: one product of 12 terms, exp and sums of thousands of terms are each good to some 1e-6.
TEST_P(VocabScoresOf, HoldInFloat32) {
  const Problem exact(GetParam()), problem(GetParam(), at::kFloat);
  VocabScores plain = problem.plain();
  if (GetParam().targets == Case::kNone) plain.log_prob = at::Tensor();
  const VocabScores scores =
      vocab_scores(problem.x, Matrix(problem.table), problem.b_U, problem.options);
  EXPECT_EQ(scores.entropy.scalar_type(), at::kFloat);
  EXPECT_LT(relative_gap(scores.entropy, plain.entropy), 1e-5);
  const auto expected = torch::autograd::grad({mixed(plain)}, problem.leaves());
  const auto found = torch::autograd::grad({mixed(scores)}, problem.leaves());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(relative_gap(found[i], expected[i]), 3e-5) << "input " << i;
  }
}

std::vector<Case> cases() {
  std::vector<Case> all(12);
  all[0].name = "Tokens";
  all[1].name = "ColumnsInMemory", all[1].by_rows = false;
  all[2].name = "NoBias", all[2].has_bias = false;
  all[3].name = "Temperature", all[3].temperature = 0.6;
  all[4].name = "Softcap", all[4].softcap = 2;
  all[5].name = "SoftcapAndTemperature", all[5].softcap = 2, all[5].temperature = 1.7;
  all[6].name = "SparseRows", all[6].targets = Case::kSparse, all[6].softcap = 3;
  all[7].name = "DenseRows", all[7].targets = Case::kDense, all[7].softcap = 3;
  all[8].name = "NoTargets", all[8].targets = Case::kNone;
  all[9].name = "Prefix", all[9].vocabulary = Case::kPrefix;
  all[10].name = "SomeTokens", all[10].vocabulary = Case::kIds, all[10].targets = Case::kSparse;
  all[11].name = "ManyRows", all[11].n = 2100, all[11].v = 150, all[11].temperature = 2;
  return all;
}

INSTANTIATE_TEST_SUITE_P(Every, VocabScoresOf, ::testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.name; });

// A node that holds its own output, or an output that holds itself, would never be freed.
TEST(VocabScores, NothingOutlivesItsGraph) {
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    c10::weak_intrusive_ptr<at::TensorImpl> rows{at::Tensor().getIntrusivePtr()};
    {
      const Problem problem(Case(), dtype);
      const VocabScores scores =
          vocab_scores(problem.x, Matrix(problem.table), problem.b_U, problem.options);
      torch::autograd::grad({mixed(scores)}, problem.leaves());
      rows = c10::weak_intrusive_ptr<at::TensorImpl>(problem.x.getIntrusivePtr());
      EXPECT_FALSE(rows.expired());
    }
    EXPECT_TRUE(rows.expired()) << dtype;
  }
}

TEST(VocabScores, GradientsOfATiedTableAddUp) {
  Case of;
  of.has_bias = false;
  const Problem problem(of);
  // The rows come from the table itself.
  const auto rows = [&] { return problem.table.t().slice(0, 20, 27); };
  const VocabScores scores = vocab_scores(rows(), Matrix(problem.table), {}, problem.options);
  const at::Tensor plain = at::matmul(rows(), problem.table).log_softmax(1).mul(problem.q).sum(1);
  EXPECT_LT(relative_gap(torch::autograd::grad({scores.log_prob.sum()}, {problem.table})[0],
                         torch::autograd::grad({plain.sum()}, {problem.table})[0]),
            1e-11);
}

TEST(VocabScores, SecondDerivativesAreThoseOfThePlainForm) {
  Case of;
  of.v = 40;
  const Problem problem(of);
  const auto curvature = [&](const VocabScores& scores) {
    const auto first = torch::autograd::grad({mixed(scores)}, {problem.x}, {}, true, true);
    return torch::autograd::grad({first[0].square().sum()}, {problem.table})[0];
  };
  EXPECT_LT(relative_gap(curvature(vocab_scores(problem.x, Matrix(problem.table), problem.b_U,
                                                problem.options)),
                         curvature(problem.plain())),
            1e-10);
}

TEST(VocabScores, RefuseTargetsOutsideTheVocabulary) {
  Problem problem{Case()};
  const auto message = [&] {
    return testing::refusal(
        [&] { vocab_scores(problem.x, Matrix(problem.table), problem.b_U, problem.options); });
  };
  problem.options.targets = at::full({7}, 4500, at::kLong);
  EXPECT_NE(message().find("from 0 to 4499, got 4500"), std::string::npos) << message();
  problem.options.targets = at::full({7}, 2, at::kLong);
  problem.options.vocabulary = at::arange(1, 4500, 3, at::kLong);
  EXPECT_NE(message().find("target 2 is not in"), std::string::npos) << message();
  problem.options.temperature = 0;
  EXPECT_NE(message().find("temperature above 0"), std::string::npos) << message();
}

}  // namespace
}  // namespace weir
