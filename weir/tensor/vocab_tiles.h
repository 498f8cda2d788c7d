#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include "weir/tensor/matrix.h"

/// What every pass over the vocabulary shares: the tiles of W_U by which it goes, and the sums that
/// are carried from one tile to the next. For vocab_stats.cpp and vocab_loss.cpp.
namespace weir::vocab {

constexpr int64_t kTileLogits = 4 << 20;  // 16 MB of float32
constexpr int64_t kWidestTile = 2048;
constexpr int64_t kRowsAtOnce = 2048;  // Rows of one GEMM.
constexpr int64_t kFewRows = 32;       // Up to here Matrix::apply needs no converted tile.

/// Tokens in a tile that `rows` rows are multiplied with.
int64_t tile_width(int64_t rows);

/// Sums over exp(z - max) and exp(z - max) (z - max).
struct Sums {
  double sum = 0, weighted = 0;
};
/// `exponentials`, unless null, receives exp(z - max).
Sums exponential_sums(const float* z, int64_t n, double max, float* exponentials);
Sums exponential_sums(const double* z, int64_t n, double max, double* exponentials);

/// What is known of one row's distribution after some tiles (online softmax).
struct RunningSums {
  double max = -std::numeric_limits<double>::infinity();
  double sum = 0;       ///< of exp(z - max)
  double weighted = 0;  ///< of exp(z - max) (z - max): small terms, so that entropy is exact

  double logsumexp() const { return max + std::log(sum); }
  double entropy() const { return std::log(sum) - weighted / sum; }

  /// Takes in a tile whose largest logit is `tile_max`; returns the factor by which sums over
  /// exp(z - max) of the earlier tiles shrink.
  template <typename Scalar>
  double add(const Scalar* z, int64_t n, double tile_max, Scalar* exponentials) {
    double kept = 1;
    if (tile_max > max) {
      const double shift = max - tile_max;
      kept = std::exp(shift);
      weighted = sum > 0 ? kept * (weighted + shift * sum) : 0;
      sum *= kept;
      max = tile_max;
    }
    const Sums more = exponential_sums(z, n, max, exponentials);
    sum += more.sum;
    weighted += more.weighted;
    return kept;
  }
};

/// The tiles of W_U, each multiplied by blocks of rows in `dtype` (float32 or float64). W_U and
/// b_U (undefined: none) must outlive it.
class Tiles {
 public:
  Tiles(const Matrix& W_U, const at::Tensor& b_U, double softcap, at::ScalarType dtype);

  void set(int64_t first, int64_t count, bool for_many_rows);
  int64_t first() const { return first_; }
  int64_t width() const { return part_.n_out(); }

  /// Raw products of rows x with the tile, in `out` [rows, width]. Products are made where W_U is,
  /// everything after them on the CPU.
  void multiply(const at::Tensor& x, at::Tensor out) const;
  /// Bias and soft cap of one row's products; returns the largest logit.
  float finish(float* z) const;
  double finish(double* z) const;
  /// The tile [D, width] in the type of the products.
  at::Tensor dense() const { return dense_.defined() ? dense_ : part_.dense(dtype_); }

 private:
  const Matrix& W_U_;
  at::Tensor bias_;  ///< [V] on the CPU
  double softcap_;
  at::ScalarType dtype_;
  int64_t first_ = 0;
  Matrix part_;
  at::Tensor dense_;
};

/// Row by row, on all threads.
template <typename Function>
void each_row(int64_t n, const Function& function) {
  at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) function(i);
  });
}

}  // namespace weir::vocab
