#include "weir/subnet/token_target.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/lm/unembedding.h"

namespace weir {
namespace {

double minus_p_log_p(double p) { return p > 0 ? -p * std::log(p) : 0; }

class SparseBatch final : public TargetBatch {
 public:
  SparseBatch(TargetRows rows, int64_t vocabulary)
      : rows_(std::move(rows)), vocabulary_(vocabulary) {}

  double expected(int64_t row, const float* z) const override { return expected_of(row, z); }
  double expected(int64_t row, const double* z) const override { return expected_of(row, z); }
  void subtract(int64_t row, double factor, float* g) const override {
    subtract_from(row, factor, g);
  }
  void subtract(int64_t row, double factor, double* g) const override {
    subtract_from(row, factor, g);
  }

  double entropy(int64_t row) const override {
    const double uniform = floor_of(row), shared = shared_of(row);
    if (shared > 0) {  // Then nothing is listed.
      double sum = 0;
      for (int64_t v = 0; v < vocabulary_; ++v) {
        sum += minus_p_log_p(uniform + shared * rows_.shared.data_ptr<double>()[v]);
      }
      return sum;
    }
    const auto [begin, end] = listed(row);
    double sum = static_cast<double>(vocabulary_ - (end - begin)) * minus_p_log_p(uniform);
    for (int64_t e = begin; e < end; ++e) {
      sum += minus_p_log_p(uniform + rows_.listed.value.data_ptr<double>()[e]);
    }
    return sum;
  }

  double probability(int64_t row, int64_t token) const override {
    double p = floor_of(row);
    const auto [begin, end] = listed(row);
    const auto* column = rows_.listed.column.data_ptr<int64_t>();
    const auto* found = std::lower_bound(column + begin, column + end, token);
    if (found != column + end && *found == token) {
      p += rows_.listed.value.data_ptr<double>()[found - column];
    }
    const double shared = shared_of(row);
    return shared > 0 ? p + shared * rows_.shared.data_ptr<double>()[token] : p;
  }

 private:
  double floor_of(int64_t row) const {
    return rows_.uniform.data_ptr<double>()[row] / static_cast<double>(vocabulary_);
  }
  double shared_of(int64_t row) const { return rows_.shared_weight.data_ptr<double>()[row]; }
  std::pair<int64_t, int64_t> listed(int64_t row) const {
    const auto* start = rows_.listed.start.data_ptr<int64_t>() + row;
    return {start[0], start[1]};
  }

  template <typename Scalar>
  double expected_of(int64_t row, const Scalar* z) const {
    double sum = 0;
    const auto [begin, end] = listed(row);
    const auto* column = rows_.listed.column.data_ptr<int64_t>();
    const auto* value = rows_.listed.value.data_ptr<double>();
    for (int64_t e = begin; e < end; ++e) sum += value[e] * static_cast<double>(z[column[e]]);
    const double uniform = floor_of(row), shared = shared_of(row);
    if (uniform > 0) {
      double all = 0;
      for (int64_t v = 0; v < vocabulary_; ++v) all += static_cast<double>(z[v]);
      sum += uniform * all;
    }
    if (shared > 0) {
      const auto* q = rows_.shared.data_ptr<double>();
      for (int64_t v = 0; v < vocabulary_; ++v) sum += shared * q[v] * static_cast<double>(z[v]);
    }
    return sum;
  }

  template <typename Scalar>
  void subtract_from(int64_t row, double factor, Scalar* g) const {
    const auto [begin, end] = listed(row);
    const auto* column = rows_.listed.column.data_ptr<int64_t>();
    const auto* value = rows_.listed.value.data_ptr<double>();
    for (int64_t e = begin; e < end; ++e) g[column[e]] -= static_cast<Scalar>(factor * value[e]);
    const auto uniform = static_cast<Scalar>(factor * floor_of(row));
    if (uniform > 0) {
      for (int64_t v = 0; v < vocabulary_; ++v) g[v] -= uniform;
    }
    const double shared = factor * shared_of(row);
    if (shared > 0) {
      const auto* q = rows_.shared.data_ptr<double>();
      for (int64_t v = 0; v < vocabulary_; ++v) g[v] -= static_cast<Scalar>(shared * q[v]);
    }
  }

  TargetRows rows_;
  int64_t vocabulary_;
};

class NgramTarget final : public TokenTarget {
 public:
  explicit NgramTarget(NgramModel model) : model_(std::move(model)) {}
  int64_t vocabulary() const override { return model_.vocabulary(); }
  std::unique_ptr<TargetBatch> of(const at::Tensor& tokens) const override {
    return std::make_unique<SparseBatch>(model_.next_token(tokens), model_.vocabulary());
  }

 private:
  NgramModel model_;
};

/// Rows of another model's distributions; a block of them at a time is dense.
class ModelBatch final : public TargetBatch {
 public:
  ModelBatch(const LanguageModel& lm, at::Tensor x, int64_t vocabulary)
      : lm_(lm), x_(std::move(x)), vocabulary_(vocabulary) {}

  void prepare(int64_t first, int64_t count) override {
    const at::NoGradGuard no_grad;
    first_ = first;
    const at::Tensor logits = lm_.transformer().unembed(x_.slice(0, first, first + count), false);
    const at::Tensor log_q = logits.slice(1, 0, vocabulary_).log_softmax(1);
    q_ = log_q.exp().to(at::kCPU).contiguous();
    entropy_ = -(q_ * log_q.to(at::kCPU)).sum(1).to(at::kDouble);
  }
  double expected(int64_t row, const float* z) const override { return expected_of(row, z); }
  double expected(int64_t row, const double* z) const override { return expected_of(row, z); }
  void subtract(int64_t row, double factor, float* g) const override {
    subtract_from(row, factor, g);
  }
  void subtract(int64_t row, double factor, double* g) const override {
    subtract_from(row, factor, g);
  }
  double entropy(int64_t row) const override { return entropy_.data_ptr<double>()[row - first_]; }
  double probability(int64_t row, int64_t token) const override {
    const int64_t i = (row - first_) * vocabulary_ + token;
    return q_.scalar_type() == at::kDouble ? q_.data_ptr<double>()[i]
                                           : static_cast<double>(q_.data_ptr<float>()[i]);
  }

 private:
  template <typename Scalar>
  double expected_of(int64_t row, const Scalar* z) const {
    double sum = 0;
    const Scalar* q = q_.data_ptr<Scalar>() + (row - first_) * vocabulary_;
    for (int64_t v = 0; v < vocabulary_; ++v) sum += static_cast<double>(q[v] * z[v]);
    return sum;
  }
  template <typename Scalar>
  void subtract_from(int64_t row, double factor, Scalar* g) const {
    const Scalar* q = q_.data_ptr<Scalar>() + (row - first_) * vocabulary_;
    for (int64_t v = 0; v < vocabulary_; ++v) g[v] -= static_cast<Scalar>(factor) * q[v];
  }

  const LanguageModel& lm_;
  at::Tensor x_;  ///< [N, D], normed
  int64_t vocabulary_;
  int64_t first_ = 0;
  at::Tensor q_, entropy_;
};

class ModelTarget final : public TokenTarget {
 public:
  ModelTarget(const LanguageModel& lm, int64_t vocabulary)
      : lm_(lm), vocabulary_(vocabulary > 0 ? vocabulary : lm.config().d_vocab) {
    require(vocabulary_ <= lm.config().d_vocab,
            "targets: the model predicts {} tokens, {} are wanted", lm.config().d_vocab,
            vocabulary_);
  }
  int64_t vocabulary() const override { return vocabulary_; }
  std::unique_ptr<TargetBatch> of(const at::Tensor& tokens) const override {
    const at::NoGradGuard no_grad;
    ForwardInput input;
    input.tokens = tokens.to(lm_.device());
    input.logits = LogitsAt::kNone;
    const at::Tensor residual = lm_.transformer().forward(input).residual;
    at::Tensor x = final_normed(lm_.config(), lm_.transformer().weights(), residual);
    return std::make_unique<ModelBatch>(lm_, x.flatten(0, 1), vocabulary_);
  }

 private:
  const LanguageModel& lm_;
  int64_t vocabulary_;
};

}  // namespace

std::unique_ptr<TokenTarget> ngram_target(NgramModel model) {
  return std::make_unique<NgramTarget>(std::move(model));
}

std::unique_ptr<TokenTarget> model_target(const LanguageModel& lm, int64_t vocabulary) {
  return std::make_unique<ModelTarget>(lm, vocabulary);
}

}  // namespace weir
