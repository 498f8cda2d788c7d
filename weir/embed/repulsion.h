#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

/// What pushes the points of a t-SNE map apart. With K(r) = 1/(1 + |r|^2) and q_ij = K_ij/Z:
///
///   Z = sum over i != j of K(y_i - y_j),  force_i = sum over j of K(y_i - y_j)^2 (y_i - y_j)
namespace weir {

struct Repulsion {
  at::Tensor force;  ///< float64 [n, 2]
  double z = 0;
};

/// All pairs: O(n^2). `y` is float64 [n, 2].
Repulsion exact_repulsion(const at::Tensor& y);

/// By interpolation on a grid and one convolution by FFT: O(n + grid), after Linderman et al. 2019
/// (FIt-SNE, 1712.09005), with one kernel and one charge instead of four: as grad K = -2 r K^2, the
/// force is -1/2 the gradient of the potential sum_j K(y - y_j) that also gives Z. Points are
/// spread to and read from the grid by quintic B-splines, whose smoothing is divided out of the
/// kernel's transform, so that value and gradient are continuous in y; what a point does to itself
/// is taken off exactly.
///
/// The spacing is `spacing` in units of the map, where K has width 1, and finer where that is
/// cheap. At 1/3 the error is below 0.5 % of the largest force (docs/methods/embedding.md). A map
/// wider than 4,096 spacings gets a wider one. Sums run in one order: the same y gives the same
/// bits for any number of threads.
class GridRepulsion {
 public:
  explicit GridRepulsion(double spacing = 1.0 / 3);
  Repulsion operator()(const at::Tensor& y);

 private:
  /// An axis: `nodes` of the grid, padded to `length` for the convolution.
  struct Axis {
    double origin = 0;
    int64_t nodes = 0, length = 0;
  };
  Axis axis_of(const at::Tensor& values, double spacing) const;
  void set_kernel(int64_t rows, int64_t columns, double spacing);
  at::Tensor convolve(const at::Tensor& charge, const Axis& row, const Axis& column) const;

  double spacing_;
  at::Tensor kernel_;  ///< [rows, columns/2 + 1]: its transform, real because K is even.
  at::Tensor near_;    ///< [6, 6]: the kernel itself about 0
  double kernel_spacing_ = 0;
  int64_t kernel_columns_ = 0;
};

}  // namespace weir
