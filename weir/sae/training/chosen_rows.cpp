#include "weir/sae/training/chosen_rows.h"

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace weir {
namespace {

constexpr int64_t kSlack = 3;  // Times k: candidates that a bound leaves.

kernels::ChosenRows task_of(const RowChoice<float>& of) {
  return {of.rows, of.n, of.n, of.ids, of.k};
}

}  // namespace

void add_rows(const RowChoice<float>& of, const float* weights, float* out) {
  kernels::best().add_rows(task_of(of), weights, out);
}

void add_rows(const RowChoice<double>& of, const double* weights, double* out) {
  for (int64_t k = 0; k < of.k; ++k) {
    const double* row = of.rows + of.ids[k] * of.n;
    for (int64_t i = 0; i < of.n; ++i) out[i] += weights[k] * row[i];
  }
}

void row_dots(const RowChoice<float>& of, const float* x, float* out) {
  kernels::best().row_dots(task_of(of), x, out);
}

void row_dots(const RowChoice<double>& of, const double* x, double* out) {
  for (int64_t k = 0; k < of.k; ++k) {
    const double* row = of.rows + of.ids[k] * of.n;
    out[k] = std::inner_product(row, row + of.n, x, 0.0);
  }
}

int64_t find_greater(const float* z, int64_t n, float threshold, int32_t* ids) {
  return kernels::best().find_greater(z, n, threshold, ids);
}

int64_t find_greater(const double* z, int64_t n, double threshold, int32_t* ids) {
  int64_t found = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (z[i] > threshold) ids[found++] = static_cast<int32_t>(i);
  }
  return found;
}

template <class T>
void TopOfRow<T>::find(const T* z, int64_t n, int64_t k, int32_t* ids) {
  k = std::min(k, n);
  int64_t m = has_bound_ ? find_greater(z, n, bound_, candidates_.data()) : 0;
  if (m < k) {
    m = n;
    std::iota(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(n), 0);
  }
  values_.resize(static_cast<size_t>(m));
  for (int64_t i = 0; i < m; ++i) {
    values_[static_cast<size_t>(i)] = z[candidates_[static_cast<size_t>(i)]];
  }
  // A bound for the next row that leaves it a few times more than k.
  const auto middle = values_.begin() + static_cast<std::ptrdiff_t>(std::min(m - 1, kSlack * k));
  std::nth_element(values_.begin(), middle, values_.end(), std::greater<T>());
  const T next_bound = *middle;
  const auto last = values_.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(values_.begin(), last, middle + 1, std::greater<T>());
  const T least = *last;
  int64_t equal = k - std::count_if(values_.begin(), last, [&](T v) { return v > least; });
  int64_t found = 0;
  for (int64_t i = 0; i < m && found < k; ++i) {
    const int32_t id = candidates_[static_cast<size_t>(i)];
    if (z[id] > least || (z[id] == least && equal-- > 0)) ids[found++] = id;
  }
  // Where few were left over, the next row finds its own.
  has_bound_ = std::isfinite(next_bound) && m > 2 * k && kSlack * k < n;
  bound_ = m > kSlack * k ? next_bound : bound_;
}

template class TopOfRow<float>;
template class TopOfRow<double>;

}  // namespace weir
