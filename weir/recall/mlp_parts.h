#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/model/heads.h"
#include "weir/recall/last_position.h"

namespace weir {

/// The stream that an MLP reads at the last position as a sum of parts.
struct MlpParts {
  int64_t layer = 0;
  std::vector<std::string> names;  ///< Of the parts: "23.4", ..., "rest"
  at::Tensor c;                    ///< [N, J, D]; sums to x
  at::Tensor x;                    ///< [N, D] what the MLP reads, before its norm
  at::Tensor m;                    ///< [N, D] what it adds to the stream
  at::Tensor scale;                ///< [N] of the MLP's norm
  at::Tensor gain;                 ///< [D] of that norm, or undefined
  bool centres = false;            ///< LayerNorm
};

/// One part for each of `heads` (of layers that this MLP reads), the last part is what is left of
/// the stream: embedding, biases, other heads and MLPs.
MlpParts mlp_parts(const LastPosition& last, int64_t layer, const std::vector<HeadId>& heads);
/// The heads of `layer` (of the layer before, in parallel blocks), each as a part.
MlpParts mlp_parts(const LastPosition& last, int64_t layer);

/// M7: the derivative of norm and MLP at x_n, applied to each part.
struct Linearised {
  at::Tensor parts;      ///< [N, J, D] J_n c_nj
  at::Tensor intercept;  ///< [N, D] m_n - sum of parts
  at::Tensor gain;       ///< [N, J] 1 + <J c, c> / <c, c>
};
Linearised linearise(const LanguageModel& lm, const MlpParts& parts);

}  // namespace weir
