#pragma once

#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lens/policies.h"

/// How each module changes the entropy of the policy (2512.19673 §2.1, equations 7, 8, 11 to 13).
namespace weir {

/// [L, B, T], nats. With Norm `none` (raw) a vector's scale counts as well as its direction; with
/// `controlled` every vector is brought to rms 1.
struct EntropyDynamics {
  at::Tensor layer;        ///< H(resid_post)
  at::Tensor attn;         ///< H(attn_out)
  at::Tensor mlp;          ///< H(mlp_out)
  at::Tensor delta_layer;  ///< H(resid_post) - H(resid_pre)
  at::Tensor delta_attn;   ///< H(attn_out) - H(ln1(resid_pre)): the layer's own norm, with its gain
  at::Tensor delta_mlp;    ///< H(mlp_out) - H(ln2(resid_mid))
  at::Tensor normed_in_attn, normed_in_mlp;  ///< The subtracted terms of the modules
  at::Tensor cosine_attn;                    ///< cos(attn_out, resid_pre)
  at::Tensor cosine_mlp;                     ///< cos(mlp_out, resid_pre + attn_out)
  at::Tensor rms;                            ///< Of resid_post
};

/// kNone or kControlled, else kOwn and kFrozen for the streams with the module's inputs read alike.
EntropyDynamics entropy_dynamics(const LanguageModel& lm, const TokenBatch& batch, PolicyNorm norm);

/// Which layers widen the policy (E), leave it (I) or narrow it (C), from the mean entropy change
/// of the MLPs by layer; and the boundary layer, 1-based as in the paper.
struct BoundaryOptions {
  double abs_tol = 0.05, rel_tol = 0.05;  ///< threshold max(abs_tol, rel_tol max|change|)
};
struct Boundary {
  double threshold = 0;
  std::string labels;                ///< One of "EIC" a layer
  std::optional<int64_t> first_run;  ///< End of the first run of E that starts in the first 15 %
  std::optional<int64_t> last_positive;  ///< The last E
  std::optional<int64_t> automatic;  ///< first_run if at least half of what follows it is I or C,
                                     ///< else last_positive
};
Boundary find_boundary(const std::vector<double>& delta_mlp, const BoundaryOptions& options = {});

}  // namespace weir
