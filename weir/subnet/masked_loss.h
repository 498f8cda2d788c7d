#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/subnet/mask_method.h"
#include "weir/subnet/mask_space.h"
#include "weir/subnet/token_target.h"

namespace weir {

/// What a soft mask is: its logits, and what turns them into values.
struct SoftMask {
  const MaskSpace& space;
  const MaskMethod& method;
  const std::vector<at::Tensor>& logits;
  double beta = 1;
  uint64_t noise_seed = 0;  ///< Of methods that draw.

  at::Tensor noise(size_t part) const;
  MaskValues values(size_t part) const;
};

struct MaskedLoss {
  double cross_entropy = 0;  ///< Mean over all positions, nats.
  double kl = 0;             ///< The same minus the mean entropy of the targets.
  double penalty = 0;        ///< Mean over all mask values.
  double total = 0;          ///< cross_entropy + lambda penalty
};

/// Receives the gradient of a part's logits once, during the backward pass; may change the logits
/// of that part, and must not throw.
using GradientSink = std::function<void(size_t part, const at::Tensor& gradient)>;

/// The loss of the model under a soft mask on tokens int64 [B, T] (2504.15471, eq. 1; every
/// position counts, the last one too). With a sink, gradients too:
///
///   d loss / d s = slope (W (.) d loss / d W_masked) + lambda / |M| penalty_slope
///
/// Each part's gradient is made when the backward pass reaches its matrix, handed on and dropped:
/// neither gradients of weights nor of logits are ever held for all parts.
MaskedLoss masked_loss(const Transformer& transformer, const SoftMask& mask,
                       const at::Tensor& tokens, const TokenTarget& target, double lambda,
                       const GradientSink& sink = nullptr);

/// How many mask values are decided (2504.15471's code): below 0.1, above 0.9.
struct Decided {
  int64_t below = 0, above = 0, undecided = 0;
  /// The stop rule: fewer undecided than 1 % of those above.
  bool stop() const { return static_cast<double>(undecided) < 0.01 * static_cast<double>(above); }
  void add(const at::Tensor& z);
};
Decided decided(const SoftMask& mask);

}  // namespace weir
