#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "weir/embed/neighbours.h"

/// Numbers beside a map: pictures of clusters persuade whether or not there are any.
namespace weir {

struct Silhouette {
  at::Tensor of_point;  ///< float64 [n]: (b - a)/max(a, b); 0 in a cluster of one
  double mean = 0;
};

/// a is a point's mean distance to its own cluster, b that to the nearest other (Rousseeuw 1987).
/// `labels` is int64 [n]; kInvalidArgument unless there are 2 to n - 1 clusters. O(n^2) time, a
/// block of rows at a time.
Silhouette silhouette(const at::Tensor& x, const at::Tensor& labels,
                      Metric metric = Metric::kEuclidean);

/// How far the k nearest points of the map y are near in x too: 1 - 2/(n k (2n - 3k - 1)) times the
/// sum over those of max(0, rank in x - k) (Venna and Kaski 2001). 1 is best. kInvalidArgument
/// unless 1 <= k < n/2.
double trustworthiness(const at::Tensor& x, const at::Tensor& y, int64_t k,
                       Metric metric = Metric::kEuclidean);

/// The share of each point's k nearest in x that are among its k nearest in the map, on average.
double neighbour_recall(const at::Tensor& x, const at::Tensor& y, int64_t k,
                        Metric metric = Metric::kEuclidean);

}  // namespace weir
