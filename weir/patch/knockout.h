#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "weir/patch/experiments.h"

/// Attention knockout (Geva et al. 2023, 2304.14767, §4; their released notebook): which layers
/// need to look where. docs/methods/knockout.md. B prompts, T tokens, L layers, V vocabulary.
namespace weir {

/// A window of `width` layers about each: [l - width / 2, l + ceil(width / 2)), cut to the model.
struct LayerWindow {
  int64_t first = 0, last = 0;
};
LayerWindow window_about(int64_t layer, int64_t width, int64_t n_layers);

/// Logits [L, B, V] at the last position when it may not attend to `blocked` (bool [B, T]) in any
/// head of the window about layer l. Everything blocked leaves a head nothing to read: its z is 0.
at::Tensor attention_knockout(const Experiments& prompts, const at::Tensor& blocked, int64_t width);

/// The same with the output of attention or MLPs ("attn_out", "mlp_out") zero in the window, at the
/// last position or everywhere.
at::Tensor sublayer_knockout(const Experiments& prompts, const std::string& kind, bool at_end,
                             int64_t width);

/// bool [L, B]: whether the output of attention or MLP of layer l at the last position, unembedded
/// without a norm, has `answer` (int64 [B]) as its top token (attribute extraction, §5).
at::Tensor extraction(const LanguageModel& lm, const TokenBatch& prompts, const std::string& kind,
                      const at::Tensor& answer);

}  // namespace weir
