#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/tensor/matrix.h"

namespace weir::vocab {

/// The target tokens of some rows. Their logits come from sums in another order than the tiles',
/// so that two equal tokens could seem to differ by rounding: logits that float32 cannot tell
/// apart count as ties.
struct RankedTargets {
  std::vector<double> logit;
  std::vector<float> above;   ///< Logits greater than this rank before the target.
  std::vector<int64_t> rank;  ///< How many of the tiles so far did.

  /// `ids`: int64 [N], a token for each row of x [N, D].
  RankedTargets(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U,
                const at::Tensor& ids, double softcap);
};

}  // namespace weir::vocab
