#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "weir/tensor/kernels/kernels.h"

/// The loops of a sparse step for float32, by the kernels of this CPU, and for float64 (what
/// float32 is held against), plainly.
namespace weir {

/// Rows of numbers T, those of `ids` in turn.
template <class T>
struct RowChoice {
  const T* rows;
  int64_t n;  ///< Numbers in a row; rows follow each other.
  const int32_t* ids;
  int64_t k;
};

/// out [n] += sum_k weights[k] row[k]
void add_rows(const RowChoice<float>& of, const float* weights, float* out);
void add_rows(const RowChoice<double>& of, const double* weights, double* out);
/// out[k] = row[k] . x
void row_dots(const RowChoice<float>& of, const float* x, float* out);
void row_dots(const RowChoice<double>& of, const double* x, double* out);

int64_t find_greater(const float* z, int64_t n, float threshold, int32_t* ids);
int64_t find_greater(const double* z, int64_t n, double threshold, int32_t* ids);

/// Finds the k largest of rows of n numbers, ascending by place; of equal ones the first. Faster
/// the more alike rows are: a bound taken from the last one leaves few to look at.
template <class T>
class TopOfRow {
 public:
  explicit TopOfRow(int64_t n) : candidates_(static_cast<size_t>(n)) {}
  /// Writes min(k, n) ids.
  void find(const T* z, int64_t n, int64_t k, int32_t* ids);

 private:
  std::vector<int32_t> candidates_;
  std::vector<T> values_;
  T bound_ = 0;
  bool has_bound_ = false;
};

extern template class TopOfRow<float>;
extern template class TopOfRow<double>;

}  // namespace weir
