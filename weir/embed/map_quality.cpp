#include "weir/embed/map_quality.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"

namespace weir {
namespace {

constexpr int64_t kRowsAtOnce = 512;

/// work(first, distances [count, n]) for one block of rows after the other.
template <typename Work>
void for_blocks(const at::Tensor& x, Metric metric, const Work& work) {
  const at::Tensor rows = prepare_rows(x, metric);
  const int64_t n = rows.size(0);
  for (int64_t first = 0; first < n; first += kRowsAtOnce) {
    throw_if_interrupted();
    work(first, distances_to_all(rows, first, std::min(kRowsAtOnce, n - first), metric));
  }
}

}  // namespace

Silhouette silhouette(const at::Tensor& x, const at::Tensor& labels, Metric metric) {
  const int64_t n = x.size(0);
  require(labels.dim() == 1 && labels.size(0) == n, "expected a label for each of {} points", n);
  // Named, not `std::get` on a temporary: the inverse numbers the clusters from 0.
  const auto unique = at::_unique(labels.to(at::kLong), true, true);
  const at::Tensor cluster = std::get<1>(unique);
  const int64_t n_clusters = std::get<0>(unique).size(0);
  require(n_clusters >= 2 && n_clusters < n, "expected 2 to {} clusters, found {}", n - 1,
          n_clusters);
  const at::Tensor member = at::one_hot(cluster, n_clusters).to(at::kDouble);
  const at::Tensor size = member.sum(0);
  Silhouette found{at::empty({n}, at::kDouble), 0};
  for_blocks(x, metric, [&](int64_t first, const at::Tensor& distances) {
    const int64_t count = distances.size(0);
    const at::Tensor sums = at::mm(distances, member);  // [count, clusters]
    const at::Tensor own = cluster.narrow(0, first, count).unsqueeze(1);
    const at::Tensor own_size = size.index_select(0, own.squeeze(1));
    const at::Tensor a = sums.gather(1, own).squeeze(1) / (own_size - 1).clamp_min(1);
    const at::Tensor b = std::get<0>((sums / size).scatter(1, own, INFINITY).min(1));
    const at::Tensor larger = at::maximum(a, b);
    const at::Tensor value = at::where(larger > 0, (b - a) / larger, at::zeros_like(a));
    found.of_point.narrow(0, first, count).copy_(at::where(own_size > 1, value, at::zeros_like(a)));
  });
  found.mean = found.of_point.mean().item<double>();
  return found;
}

double trustworthiness(const at::Tensor& x, const at::Tensor& y, int64_t k, Metric metric) {
  const int64_t n = x.size(0);
  require(y.size(0) == n && k >= 1 && 2 * k < n,
          "expected as many points in the map as {} and 1 <= k < {}/2, found k = {}", n, n, k);
  const at::Tensor near = nearest_neighbours(y, k).index;
  const int64_t* index = near.data_ptr<int64_t>();
  std::vector<double> penalty(n);
  for_blocks(x, metric, [&](int64_t first, const at::Tensor& distances) {
    const double* from = distances.data_ptr<double>();
    at::parallel_for(0, distances.size(0), 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const double* row = from + i * n;
        const int64_t self = first + i;
        for (int64_t j = 0; j < k; ++j) {
          const int64_t other = index[self * k + j];
          int64_t rank = 1;  // 1 is the nearest; the point itself does not count
          for (int64_t m = 0; m < n; ++m) rank += row[m] < row[other] ? 1 : 0;
          if (row[self] < row[other]) --rank;
          penalty[self] += static_cast<double>(std::max<int64_t>(0, rank - k));
        }
      }
    });
  });
  double sum = 0;
  for (double one : penalty) sum += one;
  const auto points = static_cast<double>(n), near_ones = static_cast<double>(k);
  return 1 - sum * 2 / (points * near_ones * (2 * points - 3 * near_ones - 1));
}

double neighbour_recall(const at::Tensor& x, const at::Tensor& y, int64_t k, Metric metric) {
  const at::Tensor in_x = std::get<0>(nearest_neighbours(x, k, metric).index.sort(1));
  const at::Tensor in_y = std::get<0>(nearest_neighbours(y, k).index.sort(1));
  const at::Tensor place = at::searchsorted(in_x, in_y).clamp_max(k - 1);
  return (in_x.gather(1, place) == in_y).to(at::kDouble).mean().item<double>();
}

}  // namespace weir
