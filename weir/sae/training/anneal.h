#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "weir/sae/training/settings.h"

namespace weir {

/// p-annealing (Karvonen et al. 2024, 2408.00113): p of a sparsity penalty goes from first_p to
/// last_p in stages; at each the coefficient is multiplied by mean(penalty at this p) /
/// mean(penalty at the next p) over the last `queue` steps. Numbers in float32 as the released
/// trainer has them.
class PAnneal {
 public:
  PAnneal(const AnnealSettings& settings, double coefficient);

  bool is_on() const { return settings_.start >= 0; }
  double p() const { return p_; }
  double coefficient() const { return coefficient_; }
  /// The p after this stage; negative before the first.
  double next_p() const { return next_p_; }
  /// After the loss of a step: the penalties at p() and at next_p() (not read where that is < 0).
  void after(int64_t step, double penalty, double next_penalty);

  std::vector<double> state() const;  ///< [p, next p, coefficient, stage, queue...]
  void load_state(const std::vector<double>& state);

 private:
  AnnealSettings settings_;
  double p_, next_p_ = -1, coefficient_;
  size_t stage_ = 0;
  std::vector<int64_t> steps_;
  std::vector<double> values_;
  std::deque<std::pair<double, double>> queue_;
};

}  // namespace weir
