#include "weir/sae/splice/latent_edit.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {

at::Tensor edit_latents(const at::Tensor& latents, const std::vector<LatentEdit>& edits) {
  const int64_t n = latents.size(-1);
  at::Tensor edited = latents.clone();
  for (const LatentEdit& edit : edits) {
    require(edit.latent >= 0 && edit.latent < n,
            "latent edit: the dictionary has latents 0 to {}, got {}", n - 1, edit.latent);
    const at::Tensor old = edited.select(-1, edit.latent);
    at::Tensor value = edit.op == LatentEdit::Op::kScale ? old * edit.value
                       : edit.op == LatentEdit::Op::kAdd ? old + edit.value
                                                         : at::full_like(old, edit.value);
    edited = edited.select_scatter(value, -1, edit.latent);
  }
  return edited;
}

}  // namespace weir
