#pragma once

#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/nn/kv_cache.h"

namespace weir {

/// Which activation an experiment changes, and where: `site` ("attn.hook_z", "attn.hook_pattern":
/// by query) of `layer`, at positions `first` to `last` - 1.
struct ChangedPoint {
  int64_t layer = 0;
  std::string site;
  int64_t first = 0;
  int64_t last = -1;  ///< -1: to the end.
};

/// Many experiments on one batch of prompts, as rows of shared forwards: E experiments of B prompts
/// are E B rows. What a change cannot reach is not computed again: layers below it (the streams of
/// the run are kept), positions before it (so are keys and values), what the changed activation
/// replaces (Hooks::give), and of the last block all but the last position.
class Experiments {
 public:
  /// Runs the prompts once (with `interventions`, which experiments inherit with the streams, keys
  /// and values that they start from; they act before whatever is changed) and keeps every layer's
  /// stream, keys and values, and the points that `names` matches. The model must outlive this.
  Experiments(const LanguageModel& lm, const TokenBatch& batch,
              const std::vector<std::string>& names,
              const std::vector<Intervention>& interventions = {});

  const LanguageModel& lm() const { return lm_; }
  const ActivationCache& cache() const { return cache_; }
  const TokenBatch& batch() const { return batch_; }
  /// [B, V] at the last position, of the run without any change.
  const at::Tensor& logits() const { return logits_; }
  int64_t n_prompts() const { return batch_.tokens.size(0); }
  int64_t n_positions() const { return batch_.tokens.size(1); }

  /// Writes experiment number `index` into `rows`, which hold the run's own activation of the B
  /// prompts at the positions of the point.
  using Change = std::function<void(int64_t index, const at::Tensor& rows)>;
  /// Reads the logits [E, B, V] of experiments first .. first + E.
  using Reader = std::function<void(int64_t first, const at::Tensor& logits)>;
  /// Runs experiments 0 .. n - 1, which change the activation at `point`, in blocks of rows that
  /// memory can hold.
  void run(const ChangedPoint& point, int64_t n, const Change& change, const Reader& reader) const;

  /// Experiments that change several points, in `layer` and after it, at position `position` and
  /// after it: `hooks_of` gives the hooks of experiments first .. first + count, which see
  /// activations [count B, positions from there on, ...].
  using HooksOf = std::function<std::vector<NamedHook>(int64_t first, int64_t count)>;
  void run_hooked(int64_t layer, int64_t position, int64_t n, const HooksOf& hooks_of,
                  const Reader& reader) const;

 private:
  using Block = std::function<void(int64_t first, int64_t count)>;
  void in_blocks(int64_t position, int64_t n, const Block& block) const;
  at::Tensor stream(int64_t layer, int64_t position, int64_t times) const;
  at::Tensor changed(const ChangedPoint& point, int64_t first, int64_t count,
                     const Change& change) const;
  at::Tensor after_block(const ChangedPoint& point, const at::Tensor& value) const;
  at::Tensor logits_from(int64_t layer, int64_t position, const at::Tensor& residual,
                         const Hooks& hooks) const;

  const LanguageModel& lm_;
  TokenBatch batch_;
  ActivationCache cache_;
  KvCache keys_;
  at::Tensor logits_;
};

}  // namespace weir
