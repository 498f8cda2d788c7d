#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/embed/repulsion.h"

namespace weir {
namespace {

constexpr int64_t kMostIntervals = 4096;
/// Narrow maps get finer grids, up to a quarter of the spacing, while that many intervals do.
constexpr double kFewIntervals = 128;
constexpr double kFinest = 0.25;
/// Nodes beyond the outermost points: a quintic spline reaches three.
constexpr int64_t kMargin = 3;
/// Undoing the splines' smoothing spreads the kernel by a factor of 0.43 a node, over the seam of
/// the periodic grid too: so far from it nothing is read.
constexpr int64_t kSeam = 32;
/// Nodes that a point touches on an axis.
constexpr int64_t kWidth = 6;
constexpr int64_t kPieces = 16;

/// The next length above that FFTs like: no prime factor above 5.
int64_t smooth_length(int64_t least) {
  for (int64_t length = least;; ++length) {
    int64_t rest = length;
    for (int64_t factor : {2, 3, 5}) {
      while (rest % factor == 0) rest /= factor;
    }
    if (rest == 1 && length % 2 == 0) return length;
  }
}

using Weights = std::array<double, kWidth>;

/// The quintic B-spline's six pieces at t in [0, 1), and their slopes: by de Boor's recurrence from
/// lower degrees.
void quintic(double t, Weights& weight, Weights& slope) {
  weight = {1, 0, 0, 0, 0, 0};
  for (int64_t degree = 1; degree < kWidth; ++degree) {
    if (degree == kWidth - 1) {
      for (int64_t i = 0; i < kWidth; ++i) {
        slope[i] = (i > 0 ? weight[i - 1] : 0) - (i < kWidth - 1 ? weight[i] : 0);
      }
    }
    const auto size = static_cast<double>(degree);
    for (int64_t i = degree; i >= 0; --i) {
      const auto place = static_cast<double>(degree - i);
      const double right = i > 0 ? (t + place) * weight[i - 1] : 0;
      const double left = i < degree ? (size + 1 - t - place) * weight[i] : 0;
      weight[i] = (right + left) / size;
    }
  }
}

/// Where a point sits in the grid and how much each node near it gets.
struct Spline {
  int64_t first;
  Weights weight, slope;

  explicit Spline(double u) {
    const double cell = std::floor(u);
    first = static_cast<int64_t>(cell) - 2;
    quintic(u - cell, weight, slope);
  }
};

/// sum_m a[m] b[m + lag] for lags -5 to 5.
std::array<double, 2 * kWidth - 1> overlaps(const Weights& a, const Weights& b) {
  std::array<double, 2 * kWidth - 1> sums{};
  for (int64_t i = 0; i < kWidth; ++i) {
    for (int64_t j = 0; j < kWidth; ++j) sums[j - i + kWidth - 1] += a[i] * b[j];
  }
  return sums;
}

struct Potential {
  double value, slope0, slope1;
};

/// What a point's own charge gives where it stands: about 1 and no slope, and not quite that, as
/// the grid has no kernel of its own shape for each place. `near` [6, 6] is the kernel about 0.
Potential of_itself(const Spline& a, const Spline& b, const double* near) {
  const auto row = overlaps(a.weight, a.weight), row_slope = overlaps(a.slope, a.weight);
  const auto column = overlaps(b.weight, b.weight), column_slope = overlaps(b.slope, b.weight);
  Potential own{0, 0, 0};
  for (int64_t r = 0; r < 2 * kWidth - 1; ++r) {
    const double* line = near + std::abs(r - kWidth + 1) * kWidth;
    double along = 0, along_slope = 0;
    for (int64_t c = 0; c < 2 * kWidth - 1; ++c) {
      const double kernel = line[std::abs(c - kWidth + 1)];
      along += column[c] * kernel;
      along_slope += column_slope[c] * kernel;
    }
    own.value += row[r] * along;
    own.slope0 += row_slope[r] * along;
    own.slope1 += row[r] * along_slope;
  }
  return own;
}

/// 1/b^2 for each frequency, b being the transform of the quintic spline at the nodes,
/// (1, 26, 66, 26, 1)/120.
at::Tensor sharpening(int64_t length, int64_t n_frequencies) {
  const at::Tensor angle =
      at::arange(n_frequencies, at::kDouble) * (2 * M_PI / static_cast<double>(length));
  return (at::cos(angle) * 52 + at::cos(angle * 2) * 2 + 66).div(120).square().reciprocal();
}

/// Distance of each place of a periodic axis from its start, in both directions.
at::Tensor offsets(int64_t length) {
  const at::Tensor places = at::arange(length, at::kDouble);
  return at::minimum(places, static_cast<double>(length) - places);
}

}  // namespace

GridRepulsion::GridRepulsion(double spacing) : spacing_(spacing) {}

GridRepulsion::Axis GridRepulsion::axis_of(const at::Tensor& values, double spacing) const {
  const double low = values.min().item<double>(), high = values.max().item<double>();
  const auto intervals = static_cast<int64_t>(std::floor((high - low) / spacing)) + 1;
  Axis axis;
  axis.origin = low - static_cast<double>(kMargin) * spacing;
  // In steps of eight: the kernel is made anew less often while the map grows.
  axis.nodes = (intervals + 2 * kMargin + 1 + 7) / 8 * 8;
  axis.length = smooth_length(2 * axis.nodes + kSeam);
  return axis;
}

void GridRepulsion::set_kernel(int64_t rows, int64_t columns, double spacing) {
  const bool is_there = kernel_.defined() && kernel_.size(0) == rows &&
                        kernel_columns_ == columns && kernel_spacing_ == spacing;
  if (is_there) return;
  const at::Tensor a = offsets(rows).mul_(spacing).square_().unsqueeze(1);
  const at::Tensor b = offsets(columns).mul_(spacing).square_().unsqueeze(0);
  const at::Tensor values = (a + b).add_(1).reciprocal_();
  kernel_ = at::real(at::fft_rfft2(values)) * sharpening(rows, rows).unsqueeze(1) *
            sharpening(columns, columns / 2 + 1).unsqueeze(0);
  kernel_ = kernel_.contiguous();
  near_ = at::fft_irfft2(kernel_, at::IntArrayRef({rows, columns}))
              .slice(0, 0, kWidth)
              .slice(1, 0, kWidth)
              .contiguous();
  kernel_columns_ = columns;
  kernel_spacing_ = spacing;
}

at::Tensor GridRepulsion::convolve(const at::Tensor& charge, const Axis& row,
                                   const Axis& column) const {
  const int64_t n_frequencies = column.length / 2 + 1;
  at::Tensor spectrum = at::empty({row.nodes, n_frequencies}, at::kComplexDouble);
  at::Tensor potential = at::empty({row.nodes, column.nodes}, at::kDouble);
  const auto in_pieces = [](int64_t n, const auto& work) {
    const int64_t step = (n + kPieces - 1) / kPieces;
    at::parallel_for(0, (n + step - 1) / step, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        work(piece * step, std::min(n, (piece + 1) * step));
      }
    });
  };
  // Rows that are all padding are neither transformed nor made.
  in_pieces(row.nodes, [&](int64_t begin, int64_t end) {
    spectrum.slice(0, begin, end)
        .copy_(at::fft_rfft(charge.slice(0, begin, end), column.length, 1));
  });
  in_pieces(n_frequencies, [&](int64_t begin, int64_t end) {
    at::Tensor columns = spectrum.slice(1, begin, end);
    const at::Tensor full = at::fft_fft(columns, row.length, 0).mul_(kernel_.slice(1, begin, end));
    columns.copy_(at::fft_ifft(full, row.length, 0).slice(0, 0, row.nodes));
  });
  in_pieces(row.nodes, [&](int64_t begin, int64_t end) {
    potential.slice(0, begin, end)
        .copy_(at::fft_irfft(spectrum.slice(0, begin, end), column.length, 1)
                   .slice(1, 0, column.nodes));
  });
  return potential;
}

Repulsion GridRepulsion::operator()(const at::Tensor& y) {
  const int64_t n = y.size(0);
  const at::Tensor points = y.contiguous();
  const double* at_point = points.data_ptr<double>();
  const auto [low, high] = at::aminmax(points, 0);
  const double span = (high - low).max().item<double>();
  double spacing = std::max(spacing_, span / static_cast<double>(kMostIntervals));
  while (spacing > kFinest * spacing_ && span < kFewIntervals / 2 * spacing) spacing /= 2;
  const Axis row = axis_of(points.select(1, 0), spacing);
  const Axis column = axis_of(points.select(1, 1), spacing);
  set_kernel(row.length, column.length, spacing);

  at::Tensor charge = at::zeros({row.nodes, column.nodes}, at::kDouble);
  double* nodes = charge.data_ptr<double>();
  for (int64_t i = 0; i < n; ++i) {
    const Spline a((at_point[2 * i] - row.origin) / spacing);
    const Spline b((at_point[2 * i + 1] - column.origin) / spacing);
    for (int64_t r = 0; r < kWidth; ++r) {
      double* line = nodes + (a.first + r) * column.nodes + b.first;
      for (int64_t c = 0; c < kWidth; ++c) line[c] += a.weight[r] * b.weight[c];
    }
  }
  const at::Tensor potential = convolve(charge, row, column);
  const double *from = potential.data_ptr<double>(), *near = near_.data_ptr<double>();
  Repulsion found{at::empty({n, 2}, at::kDouble), 0};
  double* force = found.force.data_ptr<double>();
  std::vector<double> of_point(n);
  at::parallel_for(0, n, 512, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Spline a((at_point[2 * i] - row.origin) / spacing);
      const Spline b((at_point[2 * i + 1] - column.origin) / spacing);
      double value = 0, slope0 = 0, slope1 = 0;
      for (int64_t r = 0; r < kWidth; ++r) {
        const double* line = from + (a.first + r) * column.nodes + b.first;
        double along = 0, along_slope = 0;
        for (int64_t c = 0; c < kWidth; ++c) {
          along += b.weight[c] * line[c];
          along_slope += b.slope[c] * line[c];
        }
        value += a.weight[r] * along;
        slope0 += a.slope[r] * along;
        slope1 += a.weight[r] * along_slope;
      }
      const Potential own = of_itself(a, b, near);
      value -= own.value;
      slope0 -= own.slope0;
      slope1 -= own.slope1;
      of_point[i] = value;
      force[2 * i] = -slope0 / (2 * spacing);
      force[2 * i + 1] = -slope1 / (2 * spacing);
    }
  });
  for (double value : of_point) found.z += value;
  return found;
}

}  // namespace weir
