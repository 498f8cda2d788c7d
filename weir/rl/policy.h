#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "weir/lens/policies.h"
#include "weir/lm/token_batch.h"
#include "weir/model/transformer.h"

namespace weir::rl {

/// Which distribution over the next token is meant: the model's own, or one that stands inside it
/// (2512.19673, equations 5 and 6). Layers count from 1, as in the paper: layer l is what block l
/// leaves. Layer L with norm "none" is not the model's policy, which has the final norm.
struct PolicySpec {
  enum class Source { kFull, kLayer, kAttention, kMlp };
  Source source = Source::kFull;
  int64_t layer = 0;                    ///< 1 to L; of all but kFull.
  PolicyNorm norm = PolicyNorm::kNone;  ///< kNone, kOwn or kControlled; of all but kFull.
  double temperature = 1;               ///< The logits are divided by it, after the norm.

  /// "full", "layer 6", "attention 6", "mlp 6", with norm and temperature where they are not usual.
  std::string name() const;
  bool operator==(const PolicySpec& other) const;
  bool operator!=(const PolicySpec& other) const { return !(*this == other); }
};

/// "full", "layer", "attention" or "mlp", and a norm's name: none, own (final_norm), controlled
/// (unit_rms). kInvalidArgument for others, and for layers outside 1 .. n_layers.
PolicySpec policy_spec(const std::string& source, int64_t layer, const std::string& norm,
                       double temperature, int64_t n_layers);

/// Of token t + 1 in column t: [B, T - 1], nats; 0 where the mask is. float64 in a float64 model,
/// else float32.
struct PolicyScores {
  at::Tensor log_prob, entropy;
};

/// Scores of the tokens of `batch` that `mask` [B, T - 1] marks, under `weights` (those of `model`
/// or an overlay); with gradients where the weights want them. The forward stops after the layer of
/// an internal policy: blocks above it and the final norm are not in the graph, so that their
/// gradients are undefined and an optimiser leaves them alone. Only marked rows meet the
/// unembedding, whose logits are never held at once (tensor/vocab_loss.h), forward or backward.
PolicyScores policy_scores(const Transformer& model, const Weights& weights,
                           const TokenBatch& batch, const at::Tensor& mask, const PolicySpec& spec);

}  // namespace weir::rl
