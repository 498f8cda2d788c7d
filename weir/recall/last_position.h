#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

namespace weir {

/// What a forward computes at the last position of N prompts. L layers, H heads, D d_model,
/// S positions.
struct LastActivations {
  at::Tensor resid_pre, resid_mid, resid_post;  ///< [L, N, D]; parallel blocks: mid = pre + attn
  at::Tensor attn_out, mlp_in, mlp_out;         ///< [L, N, D]
  at::Tensor result;                            ///< [L, N, H, D] "attn.hook_result"
  /// [L, N, H, D]: what each head adds to the stream: `result`, after the true scale and the gain
  /// of a norm behind attention (Gemma 2). Without b_O.
  at::Tensor head_out;
  at::Tensor pattern;  ///< [L, N, H, S] attention of the last position
  at::Tensor logits;   ///< [N, V]
};

/// AnswerExperiments at the last position. Nothing attends to it from elsewhere, so what changes
/// there changes nothing else: keys and values of all other positions are computed once and kept,
/// and an experiment costs one token a row, from the layer of the change on. Hundreds of
/// experiments are rows of one batch.
///
/// kUnsupported for models with norms after the sum (OPT-350m, BLOOM's option) and for prompts
/// beyond the length where rotary frequencies change. The model must outlive this.
class LastPosition {
 public:
  LastPosition(const LanguageModel& lm, const TokenBatch& prompts);

  const LanguageModel& lm() const { return lm_; }
  const LastActivations& clean() const { return clean_; }
  int64_t n_prompts() const { return clean_.logits.size(0); }
  const at::Tensor& tokens() const { return prompts_.tokens; }  ///< int64 [N, S]

  /// Logits [R, V] of prompts `rows` (int64 [R], repeats allowed; undefined: all in order) with
  /// `hooks`, which see activations [R, 1, ...] of this position alone. Blocks below `from_layer`
  /// are not run: nothing in them is hooked.
  at::Tensor run(const std::vector<NamedHook>& hooks, int64_t from_layer = 0,
                 const at::Tensor& rows = {}) const;

  /// The same up to the stream [R, D] that leaves the last block.
  at::Tensor run_stream(const std::vector<NamedHook>& hooks, int64_t from_layer = 0,
                        const at::Tensor& rows = {}) const;

 private:
  ForwardOutput forward(const std::vector<NamedHook>& hooks, int64_t from_layer,
                        const at::Tensor& rows, LogitsAt logits) const;

  const LanguageModel& lm_;
  TokenBatch prompts_;
  KvCache cache_;  ///< Of all positions but the last.
  LastActivations clean_;
};

}  // namespace weir
