#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/subnet/ngram.h"

/// What a subnetwork is to predict: a distribution over the next token after every position.
namespace weir {

/// The distributions of one batch's positions, rows 0 .. N - 1.
class TargetBatch {
 public:
  virtual ~TargetBatch() = default;
  /// Called before rows first .. first + count - 1 are used.
  virtual void prepare(int64_t /*first*/, int64_t /*count*/) {}
  /// sum_v q_v z_v of a row.
  virtual double expected(int64_t row, const float* z) const = 0;
  virtual double expected(int64_t row, const double* z) const = 0;
  /// g_v -= factor q_v.
  virtual void subtract(int64_t row, double factor, float* g) const = 0;
  virtual void subtract(int64_t row, double factor, double* g) const = 0;
  /// Of the row, nats.
  virtual double entropy(int64_t row) const = 0;
  /// q of one token.
  virtual double probability(int64_t row, int64_t token) const = 0;
};

class TokenTarget {
 public:
  virtual ~TokenTarget() = default;
  /// Distributions are over tokens 0 .. V - 1; logits of others are left out.
  virtual int64_t vocabulary() const = 0;
  /// Of tokens int64 [B, T], every position.
  virtual std::unique_ptr<TargetBatch> of(const at::Tensor& tokens) const = 0;
};

/// A table; rows stay sparse.
std::unique_ptr<TokenTarget> ngram_target(NgramModel model);
/// What a model itself predicts (distillation; the whole model of the subnetwork gives "optimal"
/// subnetworks), over the first `vocabulary` tokens (0: all). Its distributions are made a block
/// of rows at a time. `lm` must outlive the target.
std::unique_ptr<TokenTarget> model_target(const LanguageModel& lm, int64_t vocabulary = 0);

}  // namespace weir
