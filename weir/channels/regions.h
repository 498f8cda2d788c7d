#pragma once

#include <ATen/core/Tensor.h>

#include "weir/channels/subspace.h"
#include "weir/lm/language_model.h"

namespace weir {

/// Which of n items a head attends to, as the last position moves within a subspace: measured, and
/// in closed form (docs/methods/channels.md). For the stream x + alpha B^T entering the head's
/// layer, std the norm's scale and k_p the key of item p,
///   std score_p sqrt(K) = x W_Q k_p + alpha . slope_p + std (b_Q . k_p),
/// so that without query bias only items whose slopes are vertices of their convex hull can win far
/// out: the more items, the fewer.
/// N prompts, A points, n items, c directions.
struct RegionMap {
  at::Tensor slope;            ///< [N, n, c]
  at::Tensor intercept;        ///< [N, n]
  at::Tensor bias;             ///< [N, n] b_Q . k_p
  at::Tensor std;              ///< [N, A]
  at::Tensor keys;             ///< [N, n, K], turned where the model turns them
  at::Tensor measured_scores;  ///< [N, A, n], before the softmax; undefined unless measured
  /// int64 [N, A]: the item with the highest score, as measured and by the two closed forms.
  at::Tensor measured, predicted, predicted_without_bias;
  at::Tensor said;  ///< int64 [N, A]: the item whose token the model then finds most probable
  at::Tensor hull_distance;  ///< [N, n] of a slope from the hull of the others; 0: no vertex
  at::Tensor spread;         ///< [c] sd of slopes over items, mean over prompts
};

struct RegionOptions {
  HeadId mover;
  at::Tensor alpha;     ///< [A, c] along the subspace's basis
  bool measure = true;  ///< Also run the model from the mover's layer on, at every point.
  bool hull = true;     ///< Also distances from hulls (c at most 3)
};

/// `items` int64 [n] or [N, n]: positions of the items in the rectangle. kUnsupported for models
/// with q and k norms, which are not affine in alpha.
RegionMap region_map(const LanguageModel& lm, const TokenBatch& batch, const at::Tensor& items,
                     const Subspace& subspace, const RegionOptions& options,
                     const CircuitOptions& circuits = {});

/// A grid of `n` points an axis in the box [-radius, radius]^c, the last axis fastest: [n^c, c].
at::Tensor alpha_grid(int64_t n_directions, double radius, int64_t n);

/// Distance of point `i` of [n, c] from the convex hull of the others; exact, c at most 3.
double hull_distance(const at::Tensor& points, int64_t i);

}  // namespace weir
