#include "weir/subnet/overlap.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/subnet/evaluation.h"

namespace weir {
namespace {

double log_choose(int64_t n, int64_t k) {
  const auto log_factorial = [](int64_t m) { return std::lgamma(static_cast<double>(m) + 1); };
  return log_factorial(n) - log_factorial(k) - log_factorial(n - k);
}

/// sum of squares of x y^T for centred x, y [R, C]: by the smaller of the two Gram forms.
double squares_of_products(const at::Tensor& x, const at::Tensor& y) {
  if (x.size(0) <= x.size(1)) return at::matmul(x, y.t()).square().sum().item<double>();
  return (at::matmul(x.t(), x) * at::matmul(y.t(), y)).sum().item<double>();
}

void set_nulls(const at::Tensor& x, const at::Tensor& y, OverlapCount* of) {
  const auto size = static_cast<double>(of->size), a = static_cast<double>(of->a),
             b = static_cast<double>(of->b), rows = static_cast<double>(x.size(0));
  of->mean = a * b / size;
  of->variance = size > 1 ? a * b * (size - a) * (size - b) / (size * size * (size - 1)) : 0;
  of->p_at_least = hypergeometric_tail(of->both, of->size, of->a, of->b);
  const at::Tensor in_a = x.sum(0), in_b = y.sum(0);
  of->row_mean = (in_a * in_b).sum().item<double>() / rows;
  if (rows > 1) {
    of->row_variance = squares_of_products(x - in_a / rows, y - in_b / rows) / (rows - 1);
  }
}

double deviations(double value, double mean, double variance) {
  return variance > 0 ? (value - mean) / std::sqrt(variance) : NAN;
}

}  // namespace

double OverlapCount::z() const { return deviations(static_cast<double>(both), mean, variance); }
double OverlapCount::row_z() const {
  return deviations(static_cast<double>(both), row_mean, row_variance);
}

double hypergeometric_tail(int64_t k, int64_t size, int64_t marked, int64_t drawn) {
  const int64_t least = std::max<int64_t>(0, drawn + marked - size), most = std::min(marked, drawn);
  if (k <= least) return 1;
  if (k > most) return 0;
  const double all = log_choose(size, drawn);
  const auto log_p = [&](int64_t i) {
    return log_choose(marked, i) + log_choose(size - marked, drawn - i) - all;
  };
  // From k on terms follow by their ratio; those on the side with the mode are summed until they
  // no longer count.
  const auto sum_from = [&](int64_t first, int64_t step) {
    double term = 1, sum = 0;
    const double base = log_p(first);
    for (int64_t i = first; i >= least && i <= most; i += step) {
      sum += term;
      if (term < sum * 1e-18) break;
      const auto n = static_cast<double>(step > 0 ? i : i - 1);
      const double up = (static_cast<double>(marked) - n) * (static_cast<double>(drawn) - n) /
                        ((n + 1) * (static_cast<double>(size - marked - drawn) + n + 1));
      term *= step > 0 ? up : (up > 0 ? 1 / up : 0);
    }
    return sum * std::exp(base);
  };
  const double mean =
      static_cast<double>(marked) * static_cast<double>(drawn) / static_cast<double>(size);
  return static_cast<double>(k) > mean ? sum_from(k, 1) : 1 - sum_from(k - 1, -1);
}

Overlap overlap(const Subnetwork& a, const Subnetwork& b) {
  require(a.unit == MaskUnit::kWeight, "overlap: expected masks of weights, got one of {}s",
          to_string(a.unit));
  const Subnetwork both = intersect(a, b);
  Overlap result;
  OverlapCount& total = result.total;
  total.p_at_least = NAN;
  const std::vector<MatrixCount> in_a = active_by_matrix(a), in_b = active_by_matrix(b);
  for (size_t i = 0; i < in_a.size(); ++i) {
    OverlapCount of;
    of.block = in_a[i].block;
    of.size = in_a[i].size;
    of.a = in_a[i].active;
    of.b = in_b[i].active;
    of.both = both.keep[i].sum().item<int64_t>();
    // A row is an output: masks are held [in, out].
    set_nulls(a.keep[i].t().to(at::kDouble), b.keep[i].t().to(at::kDouble), &of);
    total.size += of.size;
    total.a += of.a;
    total.b += of.b;
    total.both += of.both;
    total.mean += of.mean;
    total.variance += of.variance;
    total.row_mean += of.row_mean;
    total.row_variance += of.row_variance;
    result.blocks.push_back(std::move(of));
  }
  return result;
}

}  // namespace weir
