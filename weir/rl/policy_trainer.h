#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "weir/pretrain/trainer.h"
#include "weir/rl/objective/objective.h"
#include "weir/rl/policy.h"

namespace weir::rl {

/// Rows to learn from. [B, T] tokens; what belongs to token t + 1 stands in column t of [B, T - 1].
struct PolicyBatch {
  TokenBatch tokens;
  at::Tensor mask;  ///< 1 on tokens that count.
  at::Tensor advantage;
  at::Tensor old_log_prob;  ///< Of the same policy before this step's first update. Undefined: as
                            ///< it is now, which makes every ratio 1.
  at::Tensor ref_log_prob;  ///< Undefined: no reference.
  /// The rows first .. last, without columns that are pads of all of them.
  PolicyBatch rows(int64_t first, int64_t last) const;
};

/// Updates of a model by a policy objective: through the full policy or one inside it.
class PolicyTrainer {
 public:
  /// `holder` has the leaves, the optimiser and the transformer; `model` and `adapter` are those it
  /// was made of. All outlive this.
  PolicyTrainer(LanguageTrainer* holder, const LoadedModel* model, const Lora* adapter)
      : holder_(holder), model_(model), adapter_(adapter) {}

  /// What a forward reads now: the model's weights, with the adapter.
  Weights weights() const;
  const Transformer& transformer() const { return holder_->transformer(); }

  /// Scores without gradients, `rows` rows at a time; in float64.
  PolicyScores scores(const TokenBatch& tokens, const at::Tensor& mask, const PolicySpec& spec,
                      int64_t rows) const;

  struct Update {
    double loss = 0, gradient_norm = 0;   ///< The norm before clipping.
    std::map<std::string, double> stats;  ///< Of the objective, and "entropy" of the policy.
    at::Tensor log_prob;                  ///< [B, T - 1] before the update.
    std::vector<double> layer_norms;      ///< Of each block's gradients; none for an adapter.
  };
  /// One update by all rows, whose gradients are added up `rows` rows at a time with the
  /// normalisers of the whole. Parameters that `frozen` marks, and those that the policy does not
  /// depend on, are left alone: no decay, no count of their steps. Where loss or norm is not
  /// finite, all are.
  Update update(const PolicyBatch& batch, const PolicySpec& spec, const ObjectiveOptions& objective,
                double rate, double clip, int64_t rows, const std::vector<bool>& frozen = {});

 private:
  LanguageTrainer* holder_;
  const LoadedModel* model_;
  const Lora* adapter_;
};

}  // namespace weir::rl
