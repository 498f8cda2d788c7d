#include "weir/embed/affinities.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr double kEntropyTolerance = 1e-11;
constexpr int kMostSteps = 200;

/// Fills p with the affinities of one row; returns beta. Newton's method on the entropy, kept in a
/// bracket: dH/dbeta = -beta var(d^2).
double solve_row(const double* squares, int64_t k, double wanted, double* p) {
  double low = 0, high = INFINITY, beta = 0;
  for (int64_t j = 0; j < k; ++j) beta += squares[j] / static_cast<double>(k);
  beta = beta > 0 ? 1 / beta : 1;
  double sum = 1;
  for (int step = 0; step < kMostSteps; ++step) {
    double mean = 0, square = 0;
    sum = 0;
    for (int64_t j = 0; j < k; ++j) {
      p[j] = std::exp(-beta * squares[j]);
      sum += p[j];
      mean += p[j] * squares[j];
      square += p[j] * squares[j] * squares[j];
    }
    mean /= sum;
    square = square / sum - mean * mean;
    const double excess = std::log(sum) + beta * mean - wanted;
    if (std::abs(excess) < kEntropyTolerance) break;
    (excess > 0 ? low : high) = beta;
    const double newton = beta + excess / (beta * square);
    if (newton > low && newton < high && newton < 8 * beta) {
      beta = newton;
    } else {
      beta = std::isinf(high) ? beta * 2 : (low + high) / 2;
    }
    if (!(beta < 1e200)) break;
  }
  for (int64_t j = 0; j < k; ++j) p[j] /= sum;
  return beta;
}

}  // namespace

ConditionalAffinities conditional_affinities(const at::Tensor& distance, double perplexity) {
  const int64_t n = distance.size(0), k = distance.size(1);
  require(perplexity > 1 && perplexity < static_cast<double>(k),
          "expected a perplexity above 1 and below the {} neighbours of a point, found {}", k,
          perplexity);
  // Relative to the nearest: exp never underflows for all, and the entropy is the same.
  at::Tensor squares = distance.to(at::kDouble).square();
  squares = (squares - std::get<0>(squares.min(1, true))).contiguous();
  ConditionalAffinities found{at::empty({n, k}, at::kDouble), at::empty({n}, at::kDouble)};
  const double* from = squares.data_ptr<double>();
  double* p = found.p.data_ptr<double>();
  double* beta = found.beta.data_ptr<double>();
  at::parallel_for(0, n, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      beta[i] = solve_row(from + i * k, k, std::log(perplexity), p + i * k);
    }
  });
  return found;
}

SparseMatrix joint_affinities(const Neighbours& graph, const at::Tensor& conditional) {
  const int64_t n = graph.index.size(0), k = graph.index.size(1);
  const int64_t* index = graph.index.data_ptr<int64_t>();
  const at::Tensor p = conditional.contiguous();
  const double* values = p.data_ptr<double>();
  std::vector<std::vector<std::pair<int64_t, double>>> rows(n);
  for (int64_t i = 0; i < n; ++i) rows[i].reserve(2 * k);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < k; ++j) {
      const double half = values[i * k + j] / static_cast<double>(2 * n);
      rows[i].emplace_back(index[i * k + j], half);
      rows[index[i * k + j]].emplace_back(i, half);
    }
  }
  SparseMatrix joint;
  joint.offsets = at::zeros({n + 1}, at::kLong);
  int64_t* offsets = joint.offsets.data_ptr<int64_t>();
  at::parallel_for(0, n, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::sort(rows[i].begin(), rows[i].end());
      size_t last = 0;
      for (size_t j = 1; j < rows[i].size(); ++j) {
        if (rows[i][j].first == rows[i][last].first) {
          rows[i][last].second += rows[i][j].second;
        } else {
          rows[i][++last] = rows[i][j];
        }
      }
      rows[i].resize(last + 1);
      offsets[i + 1] = static_cast<int64_t>(last + 1);
    }
  });
  for (int64_t i = 0; i < n; ++i) offsets[i + 1] += offsets[i];
  joint.columns = at::empty({offsets[n]}, at::kLong);
  joint.values = at::empty({offsets[n]}, at::kDouble);
  for (int64_t i = 0, at = 0; i < n; ++i) {
    for (const auto& [column, value] : rows[i]) {
      joint.columns.data_ptr<int64_t>()[at] = column;
      joint.values.data_ptr<double>()[at++] = value;
    }
  }
  return joint;
}

}  // namespace weir
