#include <algorithm>
#include <limits>
#include <vector>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/channels/regions.h"

namespace weir {
namespace {

/// Distance of p from the affine hull of the chosen points, when its foot lies among them; else
/// infinity.
double distance_within(const at::Tensor& p, const at::Tensor& chosen) {
  const at::Tensor origin = chosen[0];
  if (chosen.size(0) == 1) return (p - origin).norm().item<double>();
  const at::Tensor edges = (chosen.slice(0, 1) - origin).t();  // [c, m]
  const at::Tensor w = at::matmul(at::linalg_pinv(edges), (p - origin).unsqueeze(1)).squeeze(1);
  const double first = 1 - w.sum().item<double>();
  if (first < -1e-12 || w.min().item<double>() < -1e-12) {
    return std::numeric_limits<double>::infinity();
  }
  return (origin + at::matmul(edges, w) - p).norm().item<double>();
}

/// Calls `see` with every choice of m of n indices.
template <typename See>
void choices(int64_t n, int64_t m, const See& see) {
  std::vector<int64_t> index(static_cast<size_t>(m));
  for (int64_t i = 0; i < m; ++i) index[static_cast<size_t>(i)] = i;
  if (m > n) return;
  for (;;) {
    see(index);
    int64_t i = m - 1;
    while (i >= 0 && index[static_cast<size_t>(i)] == n - m + i) --i;
    if (i < 0) return;
    ++index[static_cast<size_t>(i)];
    for (int64_t j = i + 1; j < m; ++j) {
      index[static_cast<size_t>(j)] = index[static_cast<size_t>(j - 1)] + 1;
    }
  }
}

}  // namespace

// The nearest point of a hull lies in a simplex of at most c + 1 of its points, and is the foot on
// that simplex's affine hull.
double hull_distance(const at::Tensor& points, int64_t i) {
  const int64_t n = points.size(0), c = points.size(1);
  require(c <= 3 && n >= 2,
          "hull: expected at least 2 points in at most 3 dimensions, got {} in {}", n, c);
  const at::Tensor wide = points.to(at::kCPU, at::kDouble);
  const at::Tensor p = wide[i];
  const at::Tensor others = at::cat({wide.slice(0, 0, i), wide.slice(0, i + 1)});
  double least = std::numeric_limits<double>::infinity();
  for (int64_t m = 1; m <= std::min(c + 1, n - 1); ++m) {
    choices(n - 1, m, [&](const std::vector<int64_t>& index) {
      least =
          std::min(least, distance_within(p, others.index_select(0, at::tensor(index, at::kLong))));
    });
  }
  return least;
}

}  // namespace weir
