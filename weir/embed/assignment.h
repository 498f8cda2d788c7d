#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weir {

/// The one-to-one assignment of rows to columns with the smallest sum of costs (the problem that
/// the Hungarian method solves), exact: shortest augmenting paths with dual prices (Jonker and
/// Volgenant 1987; Crouse 2016 for rectangles). Result: the column of each row, -1 for the rows
/// that stay alone when there are fewer columns.
///
/// `cost` is [rows, columns], finite; held as float64. Worst case O(min^2 max), usually far less.
std::vector<int64_t> cheapest_assignment(const at::Tensor& cost);

}  // namespace weir
