#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/hooks/intervention.h"
#include "weir/lm/token_batch.h"
#include "weir/model/transformer.h"

namespace weir {

/// A batch of growing sequences of one model, with the keys and values of what was already run.
/// Logits come out as float32 [B, V] on the CPU: those after the newest token. B rows, S positions.
///
/// Every step gives what a forward over the whole sequence gives. Where the rotary frequencies
/// depend on the length (dynamic, longrope) and a step changes them, the sequence is run anew.
class CachedRun {
 public:
  /// `interventions` act on every forward; a negative position counts from the prompts' end.
  /// `hooks` come after them.
  CachedRun(const Transformer& transformer, const Weights& weights, at::Device device,
            const std::vector<Intervention>& interventions, const TokenBatch& prompts,
            const std::vector<NamedHook>& hooks = {});

  /// Runs the prompts, long ones in pieces so that memory stays bounded.
  at::Tensor prefill();
  /// Appends a token to every row. `is_real[b]` false appends a pad to row b: nothing sees it.
  at::Tensor step(const std::vector<int64_t>& tokens, const std::vector<bool>& is_real);
  /// Keeps the rows `rows`, in that order; a row may be repeated.
  void select(const std::vector<int64_t>& rows);
  /// Puts the rows of another run of the same model after these; the shorter ones get pads on their
  /// left. Neither may have hooks, nor frequencies that depend on the length.
  void join(CachedRun&& other);
  /// Positions that were run so far, pads included.
  int64_t length() const { return cache_.length(); }

 private:
  at::Tensor run(const at::Tensor& tokens);
  void drop_common_pads();
  void append_mask(const std::vector<bool>& is_real);
  int64_t prefill_piece(int64_t n_positions) const;

  const Transformer& transformer_;
  const Weights& weights_;
  at::Device device_;
  std::unique_ptr<Hooks> hooks_;  ///< Null without interventions and hooks.
  std::vector<std::unique_ptr<ScopedHook>> guards_;
  bool depends_on_length_ = false;
  at::Tensor tokens_;  ///< int64 [B, S]; grows only when a sequence may have to be run anew.
  at::Tensor mask_;    ///< bool [B, S], or undefined while all is real.
  KvCache cache_;
};

/// True for a model whose rotary frequencies depend on the length of the sequence.
bool rotary_depends_on_length(const ModelConfig& config);

}  // namespace weir
