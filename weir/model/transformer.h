#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/hooks/hooks.h"
#include "weir/model/config.h"
#include "weir/model/weights.h"
#include "weir/nn/kv_cache.h"

namespace weir {

enum class LogitsAt { kAll, kLast, kNone };

/// What a forward starts from and how far it goes.
struct ForwardInput {
  at::Tensor tokens;      ///< int64 [B, T]; or
  at::Tensor embeddings;  ///< [B, T, D], in place of the token embedding; or
  at::Tensor residual;    ///< [B, T, D], the stream entering block `start_layer`.
  int64_t start_layer = 0;
  /// The stream entering this block is returned and nothing after it runs; unset: all blocks.
  std::optional<int64_t> stop_at_layer;
  /// bool [B, S], true where a token is real; S = cached length + T. Undefined: all real. Pads
  /// stand on the left; positions count real tokens only.
  at::Tensor attention_mask;
  /// int64 [B, T]: documents packed in a row, by ids that never fall along it. Attention stays
  /// inside a document and positions restart with it, as if each were run alone (only dynamic and
  /// longrope frequencies are those of the longest document). Not together with a cache.
  at::Tensor segments;
  LogitsAt logits = LogitsAt::kAll;
  KvCache* cache = nullptr;  ///< Extended by T positions.
  const Hooks* hooks = nullptr;
};

struct ForwardOutput {
  at::Tensor logits;  ///< [B, T, V], [B, 1, V] or undefined.
  /// [B, T, D]: the stream where the forward stopped (before the final norm); with logits of the
  /// last position [B, 1, D].
  at::Tensor residual;
};

/// The forward pass of every family. Holds a config and the handles of its weights; const methods
/// are safe from several threads. Safe for autograd in every form.
class Transformer {
 public:
  Transformer(ModelConfig config, Weights weights, at::ScalarType dtype = at::kFloat);

  const ModelConfig& config() const { return config_; }
  const Weights& weights() const { return weights_; }
  at::ScalarType dtype() const { return dtype_; }
  /// Every hook point of this model in firing order.
  const std::vector<std::string>& hook_names() const { return hook_names_; }

  ForwardOutput forward(const ForwardInput& input) const { return forward(weights_, input); }
  /// The same with other weights: an overlay (edited, masked, scaled, or trained).
  ForwardOutput forward(const Weights& weights, const ForwardInput& input) const;

  /// Whether a cache of `cached` positions may be extended to `total`. False when rope scaling by
  /// length (dynamic, longrope past the original context) would now turn the cached positions
  /// otherwise: what they computed in deeper layers is then stale, and one pass over the whole
  /// sequence must fill a new cache.
  bool can_extend_cache(int64_t cached, int64_t total) const;

  /// From a residual stream [..., D] to logits [..., V]: final norm, unembedding, soft cap.
  at::Tensor unembed(const at::Tensor& residual, bool final_norm = true) const;

 private:
  ModelConfig config_;
  Weights weights_;
  at::ScalarType dtype_;
  std::vector<std::string> hook_names_;
};

/// Hook names of a model of that config and those weights (which say what norms stand where), in
/// firing order.
std::vector<std::string> hook_names(const ModelConfig& config, const Weights& weights);

}  // namespace weir
