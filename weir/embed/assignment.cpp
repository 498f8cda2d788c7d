#include "weir/embed/assignment.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"

namespace weir {
namespace {

/// For at most as many rows as columns.
class Assignment {
 public:
  Assignment(const double* cost, int64_t rows, int64_t columns)
      : cost_(cost),
        rows_(rows),
        columns_(columns),
        row_price_(rows),
        column_price_(columns),
        column_of_(rows, -1),
        row_of_(columns, -1),
        distance_(columns),
        previous_(columns),
        is_done_(columns) {}

  std::vector<int64_t> solve() {
    take_cheapest();
    Progress progress("matching", static_cast<uint64_t>(rows_), "rows");
    for (int64_t row = 0; row < rows_; ++row) {
      if (column_of_[row] < 0) augment(row);
      progress.advance();
    }
    return column_of_;
  }

 private:
  /// Each row's cheapest column is its own if nobody has it yet: prices that are feasible and, for
  /// these pairs, tight.
  void take_cheapest() {
    for (int64_t row = 0; row < rows_; ++row) {
      const double* costs = cost_ + row * columns_;
      const int64_t column = std::min_element(costs, costs + columns_) - costs;
      row_price_[row] = costs[column];
      if (row_of_[column] >= 0) continue;
      row_of_[column] = row;
      column_of_[row] = column;
    }
  }

  /// Dijkstra over reduced costs from a free row to the nearest free column; then every pair on the
  /// path changes over.
  void augment(int64_t free_row) {
    std::fill(distance_.begin(), distance_.end(), std::numeric_limits<double>::infinity());
    std::fill(is_done_.begin(), is_done_.end(), 0);
    done_.clear();
    double shortest = 0;
    int64_t row = free_row, sink = -1;
    while (sink < 0) {
      const double* costs = cost_ + row * columns_;
      int64_t nearest = -1;
      double least = std::numeric_limits<double>::infinity();
      for (int64_t j = 0; j < columns_; ++j) {
        if (is_done_[j] != 0) continue;
        const double reach = shortest + (costs[j] - row_price_[row] - column_price_[j]);
        if (reach < distance_[j]) {
          distance_[j] = reach;
          previous_[j] = row;
        }
        // Among equals a free column ends the search.
        if (distance_[j] < least || (distance_[j] == least && row_of_[j] < 0)) {
          least = distance_[j];
          nearest = j;
        }
      }
      shortest = least;
      is_done_[nearest] = 1;
      done_.push_back(nearest);
      if (row_of_[nearest] < 0) {
        sink = nearest;
      } else {
        row = row_of_[nearest];
      }
    }
    row_price_[free_row] += shortest;
    for (int64_t j : done_) {
      if (j == sink) continue;
      row_price_[row_of_[j]] += shortest - distance_[j];
      column_price_[j] -= shortest - distance_[j];
    }
    for (int64_t column = sink, at = -1; at != free_row;) {
      at = previous_[column];
      row_of_[column] = at;
      std::swap(column_of_[at], column);
    }
  }

  const double* cost_;
  int64_t rows_, columns_;
  std::vector<double> row_price_, column_price_;
  std::vector<int64_t> column_of_, row_of_;
  std::vector<double> distance_;
  std::vector<int64_t> previous_;
  std::vector<char> is_done_;
  std::vector<int64_t> done_;
};

}  // namespace

std::vector<int64_t> cheapest_assignment(const at::Tensor& cost) {
  require(cost.dim() == 2, "expected costs as a matrix, found {} dimensions", cost.dim());
  const at::Tensor costs = cost.to(at::kCPU, at::kDouble);
  require(at::isfinite(costs).all().item<bool>(), "costs must be finite; some are NaN or infinite");
  const bool is_tall = costs.size(0) > costs.size(1);
  const at::Tensor wide = (is_tall ? costs.t() : costs).contiguous();
  std::vector<int64_t> of_short =
      Assignment(wide.data_ptr<double>(), wide.size(0), wide.size(1)).solve();
  if (!is_tall) return of_short;
  std::vector<int64_t> of_tall(costs.size(0), -1);
  for (size_t j = 0; j < of_short.size(); ++j) of_tall[of_short[j]] = static_cast<int64_t>(j);
  return of_tall;
}

}  // namespace weir
