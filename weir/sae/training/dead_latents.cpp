#include "weir/sae/training/dead_latents.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {

DeadLatents::DeadLatents(int64_t n_latents, const DeadSettings& settings)
    : settings_(settings), since_(at::zeros({n_latents}, at::kLong)) {}

void DeadLatents::count(const at::Tensor& fired, int64_t n_tokens) {
  since_ += step_of(n_tokens);
  const int64_t least = settings_.count == DeadSettings::Count::kPassesFromOne ? 1 : 0;
  since_.masked_fill_(fired, least);
}

int64_t DeadLatents::step_of(int64_t n_tokens) const {
  return settings_.count == DeadSettings::Count::kTokens ? n_tokens : 1;
}

at::Tensor DeadLatents::mask() const { return mask_after(0); }

at::Tensor DeadLatents::mask_if_silent(int64_t n_tokens) const {
  return mask_after(step_of(n_tokens));
}

at::Tensor DeadLatents::mask_after(int64_t step) const {
  const double least = settings_.threshold - static_cast<double>(step);
  return settings_.strict ? since_ > least : since_ >= least;
}

void DeadLatents::set_since_fired(const at::Tensor& since) {
  require(since.sizes() == since_.sizes(), "dead latents: expected {} counters, got {}",
          since_.numel(), since.numel());
  since_.copy_(since);
}

}  // namespace weir
