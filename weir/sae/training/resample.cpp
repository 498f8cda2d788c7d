#include "weir/sae/training/resample.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr double kEncoderShare = 0.2;

}  // namespace

at::Tensor resample_chances(const Sae& sae, const at::Tensor& x, ResampleRule rule) {
  const at::NoGradGuard no_grad;
  const at::Tensor error = (x - reconstruct(sae, x)).norm(2, -1);
  const at::Tensor weights = rule == ResampleRule::kAttentionSaes ? error.pow(4) : error;
  return weights / weights.sum();
}

void resample_latents(const Sae& sae, const at::Tensor& dead, const at::Tensor& rows,
                      ResampleRule rule) {
  const at::NoGradGuard no_grad;
  const at::Tensor ids = dead.nonzero().flatten();
  require(rows.dim() == 2 && rows.size(0) == ids.numel(),
          "resampling: expected a row for each of {} dead latents", ids.numel());
  if (ids.numel() == 0) return;
  const bool centres = rule == ResampleRule::kAttentionSaes;
  const at::Tensor from = centres ? rows - sae.weight("b_dec") : rows;
  const at::Tensor unit = from / from.norm(2, -1, true).clamp_min(1e-12);
  at::Tensor encoder = sae.weight("W_enc"), decoder = sae.weight("W_dec"),
             bias = sae.weight("b_enc");
  const at::Tensor alive = dead.logical_not().nonzero().flatten();
  const at::Tensor norm = encoder.index_select(1, alive).norm(2, 0).mean();
  decoder.index_copy_(0, ids, unit);
  encoder.index_copy_(1, ids, ((centres ? unit : rows) * norm * kEncoderShare).t());
  bias.index_fill_(0, ids, 0);
}

void forget_latents(const std::string& name, const at::Tensor& slot, const at::Tensor& dead) {
  const at::NoGradGuard no_grad;
  at::Tensor of = slot;
  const at::Tensor ids = dead.nonzero().flatten();
  if (name == "W_enc" || name == "W_var") of.index_fill_(of.dim() - 1, ids, 0);
  if (name == "W_dec" || name == "b_enc" || name == "b_var") of.index_fill_(0, ids, 0);
}

}  // namespace weir
