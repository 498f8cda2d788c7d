#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

/// Which feature of one dictionary is which of another, across seeds or kinds.
namespace weir {

struct DictionaryMatch {
  std::vector<int64_t> partner;  ///< of each of a's features: one of b's, none twice; -1: none left
  at::Tensor similarity;         ///< float64 [F_a]: with the partner; NaN without one
  double mcc = 0;        ///< Mean of `similarity` over pairs: the mean correlation coefficient.
  at::Tensor best_of_a;  ///< [F_a]: the largest over all of b, which several may share
  at::Tensor best_of_b;  ///< [F_b]: over all of a
};

/// Pairs rows one to one so that the sum of similarities is largest (assignment.h).
/// `similarity` is [F_a, F_b], finite; -1 to 1.
DictionaryMatch match(const at::Tensor& similarity);

/// Cosines of all rows of a [F_a, d] with all of b [F_b, d], in float64; 0 for rows of zeros.
at::Tensor cosines(const at::Tensor& a, const at::Tensor& b);

/// Pearson's correlations of all columns of a [n, F_a] with all of b [n, F_b], over the same n
/// samples; 0 for a constant column. With true sources for one side, `match` of it gives the MCC of
/// identifiability (Hyvarinen and Morioka 2016).
at::Tensor correlations(const at::Tensor& a, const at::Tensor& b);

}  // namespace weir
