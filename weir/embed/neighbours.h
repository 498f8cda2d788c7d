#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace weir {

enum class Metric {
  kEuclidean,
  kCosine,  ///< 1 - cos; a row of zeros is at distance 1 from everything.
};

/// The k-nearest-neighbour graph: a row a point, nearest first, the point itself left out. Ties go
/// to the smaller index.
struct Neighbours {
  at::Tensor index;     ///< int64 [n, k]
  at::Tensor distance;  ///< float64 [n, k], not squared
};

/// By brute force in float64: exact, O(n^2 d) in products of matrices; 16,384 x 50 takes about a
/// second. `x` is [n, d] of any type; kInvalidArgument unless 1 <= k < n and all is finite.
Neighbours nearest_neighbours(const at::Tensor& x, int64_t k, Metric metric = Metric::kEuclidean);

/// Distances of rows [first, first + count) of a prepared x to all rows: [count, n] in float64.
/// `prepared` is what `prepare_rows` gave: float64, contiguous, centred or of unit length.
at::Tensor prepare_rows(const at::Tensor& x, Metric metric);
at::Tensor distances_to_all(const at::Tensor& prepared, int64_t first, int64_t count,
                            Metric metric);

}  // namespace weir
