#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

/// Any vector of the residual stream's width, read as a policy: a distribution over the next token.
/// docs/methods/internal-policies.md. B rows, T positions, D d_model, V vocabulary; nats.
namespace weir {

/// What happens to a vector x before softcap(x W_U + b_U).
enum class PolicyNorm {
  kNone,        ///< Nothing: the internal policies of 2512.19673, equations 5 and 6.
  kOwn,         ///< The final norm with x's own statistics: the logit lens.
  kFrozen,      ///< The final norm with the true last stream's scale: what x adds to the logits.
  kControlled,  ///< x / rms(x): direction only. A zero vector stays zero.
};
PolicyNorm policy_norm_of(const std::string& name);  ///< none, own, frozen, controlled

/// `x` [..., D] as it enters the unembedding; `final_scale` [...] (kFrozen only) is what the true
/// last stream was divided by.
at::Tensor policy_vector(const LanguageModel& lm, const at::Tensor& x, PolicyNorm norm,
                         const at::Tensor& final_scale = {});
/// The same with other weights, through the graph.
at::Tensor policy_vector(const ModelConfig& config, const Weights& weights, const at::Tensor& x,
                         PolicyNorm norm, const at::Tensor& final_scale = {});

/// Streams and module outputs of one forward.
struct ReadVectors {
  std::vector<std::string> points;  ///< [P] hook names, forward order
  at::Tensor values;                ///< [P, B, T, D]
  at::Tensor output;                ///< [B, T, D], the stream leaving the last block
  at::Tensor final_scale;           ///< [B, T]; 1 where there is no final norm
};

/// The points of all layers: hook_resid_pre, hook_attn_out, hook_resid_mid (not of parallel
/// blocks), hook_mlp_out, hook_resid_post.
std::vector<std::string> policy_points(const LanguageModel& lm);
ReadVectors read_vectors(const LanguageModel& lm, const TokenBatch& batch,
                         const std::vector<std::string>& points,
                         const std::vector<Intervention>& interventions = {});

/// Readings of vectors against the model's own output at the same place. float64 in a float64
/// model, else float32 sums of float32 logits.
struct PolicyReadings {
  at::Tensor entropy, max_prob;                ///< [P, B, T]
  at::Tensor top1;                             ///< int64 [P, B, T]
  at::Tensor log_prob;                         ///< [P, B, T] of the targets
  at::Tensor rank;                             ///< int64 [P, B, T]; 0: the most probable
  at::Tensor kl_final_lens;                    ///< KL(model || this)
  at::Tensor kl_lens_final;                    ///< KL(this || model)
  at::Tensor js_final, tv_final;               ///< Jensen-Shannon divergence, total variation
  at::Tensor kl_neighbour, kl_neighbour_back;  ///< [S - 1, B, T] KL(next || this), KL(this || next)
  std::vector<std::string> neighbours;         ///< [S] streams without repeats, in forward order
};

/// `targets` int64 [B, T]: tokens whose log-probability and rank are wanted. Rows go by in blocks
/// of which the logits are held; [P, B, T, V] never is.
PolicyReadings read_policies(const LanguageModel& lm, const ReadVectors& vectors, PolicyNorm norm,
                             const at::Tensor& targets);

/// Entropy of any vectors [N, D], already as policy_vector makes them: float32 [N].
at::Tensor policy_entropy(const LanguageModel& lm, const at::Tensor& rows);

}  // namespace weir
