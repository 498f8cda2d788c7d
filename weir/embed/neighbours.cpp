#include "weir/embed/neighbours.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/embed/unit_rows.h"

namespace weir {
namespace {

/// Rows whose distances to all others are in memory at once: 64 MB at 16 k points.
constexpr int64_t kRowsAtOnce = 512;

using Candidate = std::pair<double, int64_t>;

/// Orders like the distance from row `first + i`, for each i: what all distances of a row share is
/// left out.
at::Tensor scores_to_all(const at::Tensor& rows, const at::Tensor& squares, int64_t first,
                         int64_t count, Metric metric) {
  const at::Tensor block = rows.narrow(0, first, count);
  if (metric == Metric::kCosine) return at::mm(block, rows.t()).neg_();
  return at::addmm(squares.unsqueeze(0), block, rows.t(), 1, -2);
}

/// The k smallest of n scores but that of `self`.
void select_nearest(const double* scores, int64_t n, int64_t self, int64_t k,
                    std::vector<Candidate>& heap) {
  heap.clear();
  for (int64_t j = 0; j < n; ++j) {
    if (j == self) continue;
    if (static_cast<int64_t>(heap.size()) < k) {
      heap.emplace_back(scores[j], j);
      if (static_cast<int64_t>(heap.size()) == k) std::make_heap(heap.begin(), heap.end());
    } else if (scores[j] < heap.front().first) {
      std::pop_heap(heap.begin(), heap.end());
      heap.back() = {scores[j], j};
      std::push_heap(heap.begin(), heap.end());
    }
  }
}

/// Without the cancellation that |x|^2 - 2 x y + |y|^2 has for neighbours.
double distance(const double* a, const double* b, int64_t d, Metric metric) {
  double sum = 0;
  if (metric == Metric::kCosine) {
    for (int64_t c = 0; c < d; ++c) sum += a[c] * b[c];
    return std::max(0.0, 1 - sum);
  }
  for (int64_t c = 0; c < d; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return std::sqrt(sum);
}

}  // namespace

at::Tensor prepare_rows(const at::Tensor& x, Metric metric) {
  require(x.dim() == 2, "expected points as rows of a matrix [n, d], found {} dimensions", x.dim());
  at::Tensor rows = x.to(at::kCPU, at::kDouble).contiguous();
  require(at::isfinite(rows).all().item<bool>(), "points must be finite; some are NaN or infinite");
  if (metric == Metric::kCosine) return unit_rows(rows);
  return rows.size(0) > 0 ? rows - rows.mean(0, true) : rows;
}

at::Tensor distances_to_all(const at::Tensor& prepared, int64_t first, int64_t count,
                            Metric metric) {
  const at::Tensor block = prepared.narrow(0, first, count);
  if (metric == Metric::kCosine) return at::mm(block, prepared.t()).neg_().add_(1).clamp_min_(0);
  const at::Tensor squares = prepared.square().sum(1);
  at::Tensor distances = at::addmm(squares.unsqueeze(0), block, prepared.t(), 1, -2);
  distances.add_(squares.narrow(0, first, count).unsqueeze(1)).clamp_min_(0).sqrt_();
  distances.diagonal(first).zero_();
  return distances;
}

Neighbours nearest_neighbours(const at::Tensor& x, int64_t k, Metric metric) {
  const at::Tensor rows = prepare_rows(x, metric);
  const int64_t n = rows.size(0), d = rows.size(1);
  require(k >= 1 && k < n, "expected 1 to {} neighbours for {} points, found {}", n - 1, n, k);
  const at::Tensor squares = rows.square().sum(1);
  Neighbours found{at::empty({n, k}, at::kLong), at::empty({n, k}, at::kDouble)};
  const double* points = rows.data_ptr<double>();
  int64_t* index = found.index.data_ptr<int64_t>();
  double* distances = found.distance.data_ptr<double>();
  for (int64_t first = 0; first < n; first += kRowsAtOnce) {
    throw_if_interrupted();
    const int64_t count = std::min(kRowsAtOnce, n - first);
    const at::Tensor scores = scores_to_all(rows, squares, first, count, metric);
    const double* from = scores.data_ptr<double>();
    at::parallel_for(0, count, 8, [&](int64_t begin, int64_t end) {
      std::vector<Candidate> nearest;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t self = first + i;
        select_nearest(from + i * n, n, self, k, nearest);
        for (Candidate& one : nearest) {
          one.first = distance(points + self * d, points + one.second * d, d, metric);
        }
        std::sort(nearest.begin(), nearest.end());
        for (int64_t j = 0; j < k; ++j) {
          distances[self * k + j] = nearest[j].first;
          index[self * k + j] = nearest[j].second;
        }
      }
    });
  }
  return found;
}

}  // namespace weir
