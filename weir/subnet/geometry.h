#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

namespace weir {

/// y = coef x + intercept, float64, by ridge regression.
struct LinearMap {
  at::Tensor coef;       ///< [out, in]
  at::Tensor intercept;  ///< [out]
  double r2 = 0;         ///< Mean over outputs that vary.
  /// Of coef, if it is square: absolute angles of its eigenvalues in degrees, ascending; 180 for
  /// negative real ones. Their median (of an even number: the mean of the middle two) is how far
  /// the map turns; sizes are left out of it.
  at::Tensor angles;
  double median_degrees = 0, mean_magnitude = 0;
};

/// Sums over rows from which any ridge map between their vectors follows: memory D^2 a pair. In
/// float64, about the first batch's mean, so that large means cost no digits.
class RidgeSums {
 public:
  /// x [N, Dx], y [N, Dy]; rows with NaN or infinity are left out and counted.
  void add(const at::Tensor& x, const at::Tensor& y);
  /// Minimises |Y - X coef^T - intercept|^2 + alpha |coef|^2.
  LinearMap fit(double alpha = 1) const;
  int64_t n_rows() const { return n_; }
  int64_t n_dropped() const { return dropped_; }
  /// [Dx, Dx]: sum of (x - mean)(x - mean)^T.
  at::Tensor scatter() const;

 private:
  int64_t n_ = 0, dropped_ = 0;
  at::Tensor shift_x_, shift_y_, sum_x_, sum_y_, xx_, xy_, yy_;
};

struct GeometryOptions {
  double alpha = 1;
  int64_t batch = 8;
  bool maps_to_second_to_last = true;
};

/// How a model turns the stream (2504.15471, section on rotations), for l = 0 .. L: the stream
/// entering block l, and for l = L what the last block leaves, before the final norm.
struct StreamGeometry {
  std::vector<LinearMap> to_input;           ///< To the raw embedding of the token there.
  std::vector<LinearMap> to_output;          ///< To layer L.
  std::vector<LinearMap> to_second_to_last;  ///< To layer L - 1.
  std::vector<at::Tensor> singular_values;   ///< [D] of the centred vectors, falling
  /// [L + 1, L + 1]: cosines of the layers' covariances without their largest direction, and with.
  at::Tensor similarity, similarity_with_top;
  int64_t n_tokens = 0;
};

/// Over tokens int64 [N, T], under `weights` (an overlay, or the model's own). kInvalidArgument
/// when more than 1 % of the vectors are not finite.
StreamGeometry stream_geometry(const LanguageModel& lm, const Weights& weights,
                               const at::Tensor& tokens, const GeometryOptions& options = {});

}  // namespace weir
