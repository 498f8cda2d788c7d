#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/tensor/vocab_loss.h"

namespace weir::vocab {

/// The target weights of every row, whichever way VocabScoreOptions gave them.
class TargetRows {
 public:
  /// kInvalidArgument for what VocabScoreOptions forbids. `ids`: the tokens that are left of the
  /// vocabulary, ascending (undefined: the first `n_vocabulary`).
  TargetRows(const VocabScoreOptions& options, int64_t n_rows, int64_t n_vocabulary,
             const at::Tensor& ids, at::ScalarType dtype);

  bool any() const { return dense_.defined() || column_.defined(); }
  /// The sum of row i's weights.
  double total(int64_t i) const { return totals_[i]; }
  /// Row i's weights of tokens from `first` on, where all are given; else null.
  template <typename Scalar>
  const Scalar* dense(int64_t i, int64_t first) const {
    return dense_.defined() ? dense_.data_ptr<Scalar>() + i * dense_.size(1) + first : nullptr;
  }
  /// function(offset from `first`, weight) for row i's listed tokens in [first, first + count).
  template <typename Function>
  void each_listed(int64_t i, int64_t first, int64_t count, const Function& function) const {
    if (!column_.defined()) return;
    const int64_t* columns = column_.data_ptr<int64_t>();
    const int64_t* start = start_.data_ptr<int64_t>();
    const int64_t *begin = columns + start[i], *end = columns + start[i + 1];
    for (const int64_t* c = std::lower_bound(begin, end, first); c != end && *c < first + count;
         ++c) {
      function(*c - first, value_.data_ptr<double>()[c - columns]);
    }
  }
  /// The same as one table [N, V]: for second derivatives.
  at::Tensor table(int64_t n_rows, int64_t n_vocabulary, at::ScalarType dtype) const;

 private:
  at::Tensor dense_;                   ///< [N, V]
  at::Tensor start_, column_, value_;  ///< CSR: int64 [N + 1], int64 [n], float64 [n]
  std::vector<double> totals_;
};

}  // namespace weir::vocab
