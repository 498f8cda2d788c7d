#pragma once

#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

namespace weir {

/// Many experiments on one batch of prompts, as rows of shared forwards: E experiments of B prompts
/// are E B rows. An experiment changes the activation at one hook point of layer l; it restarts
/// from the cached stream entering l, and what the changed activation replaces is not computed
/// again (Hooks::give). No experiment runs the whole model.
class Experiments {
 public:
  /// Runs the prompts once (with `interventions`, which experiments inherit through the streams
  /// that they start from) and keeps every layer's stream and the points that `names` matches. The
  /// model must outlive this.
  Experiments(const LanguageModel& lm, const TokenBatch& batch,
              const std::vector<std::string>& names,
              const std::vector<Intervention>& interventions = {});

  const LanguageModel& lm() const { return lm_; }
  const ActivationCache& cache() const { return cache_; }
  const TokenBatch& batch() const { return batch_; }
  /// [B, V] at the last position, of the run without any change.
  const at::Tensor& logits() const { return logits_; }
  int64_t n_prompts() const { return batch_.tokens.size(0); }

  /// Writes experiment number `index` into `rows` [B, ...], which holds the run's own activation.
  using Change = std::function<void(int64_t index, const at::Tensor& rows)>;
  /// Reads the logits [E, B, V] of experiments first .. first + E.
  using Reader = std::function<void(int64_t first, const at::Tensor& logits)>;
  /// Runs experiments 0 .. n - 1, which change the activation `site` ("attn.hook_z") of `layer`, in
  /// blocks of rows that memory can hold.
  void run(int64_t layer, const std::string& site, int64_t n, const Change& change,
           const Reader& reader) const;
  /// The same for experiments that change several points, from `layer` on: `hooks_of` gives the
  /// hooks of experiments first .. first + count, which see activations [count B, ...].
  using HooksOf = std::function<std::vector<NamedHook>(int64_t first, int64_t count)>;
  void run_hooked(int64_t layer, int64_t n, const HooksOf& hooks_of, const Reader& reader) const;

 private:
  at::Tensor run_rows(int64_t layer, int64_t times, RunOptions run) const;
  at::Tensor run_block(int64_t layer, const std::string& name, const at::Tensor& value) const;

  const LanguageModel& lm_;
  TokenBatch batch_;
  ActivationCache cache_;
  at::Tensor logits_;
};

}  // namespace weir
