#pragma once

#include <ATen/core/Tensor.h>

#include "weir/sae/training/settings.h"

namespace weir {

/// How long ago each latent fired, counted as the settings say.
class DeadLatents {
 public:
  DeadLatents(int64_t n_latents, const DeadSettings& settings);

  /// `fired`: bool [F], whether the latent fired in a batch of n tokens.
  void count(const at::Tensor& fired, int64_t n_tokens);
  at::Tensor mask() const;                            ///< bool [F]: dead.
  at::Tensor mask_if_silent(int64_t n_tokens) const;  ///< Dead if a batch fires none.

  /// int64 [F], the counters themselves: what a checkpoint keeps.
  const at::Tensor& since_fired() const { return since_; }
  void set_since_fired(const at::Tensor& since);

 private:
  int64_t step_of(int64_t n_tokens) const;
  at::Tensor mask_after(int64_t step) const;
  DeadSettings settings_;
  at::Tensor since_;
};

}  // namespace weir
