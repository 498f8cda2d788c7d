#include "weir/recall/final_reader.h"

#include <ATen/ATen.h>

#include "weir/lm/unembedding.h"
#include "weir/nn/norm.h"

namespace weir {

FinalReader::FinalReader(const LanguageModel& lm) : lm_(lm) {
  const Weights& weights = lm.transformer().weights();
  W_U_ = weights.W_U.dense(lm.transformer().dtype());
  mean_W_U_ = W_U_.mean(1);
  b_U_ = weights.b_U;
}

// normed [.., N, D], ids [N] -> [.., N]
at::Tensor FinalReader::read(const at::Tensor& normed, const at::Tensor& ids,
                             bool with_bias) const {
  const at::Tensor columns = W_U_.index_select(1, ids).t() - mean_W_U_;  // [N, D]
  const at::Tensor pi = (normed * columns).sum(-1);
  return with_bias && b_U_.defined() ? pi + (b_U_.index_select(0, ids) - b_U_.mean()) : pi;
}

at::Tensor FinalReader::own(const at::Tensor& stream, const at::Tensor& ids) const {
  return read(final_normed(lm_.config(), lm_.transformer().weights(), stream), ids, true);
}

at::Tensor FinalReader::frozen(const at::Tensor& stream, const at::Tensor& ids,
                               const at::Tensor& scale) const {
  const at::Tensor& bias = lm_.transformer().weights().ln_final.b;
  const at::Tensor normed = centred(stream) / scale.unsqueeze(-1) * gain();
  return read(bias.defined() ? normed + bias : normed, ids, true);
}

at::Tensor FinalReader::share(const at::Tensor& part, const at::Tensor& ids,
                              const at::Tensor& scale) const {
  return read(centred(part) / scale.unsqueeze(-1) * gain(), ids, false);
}

at::Tensor FinalReader::scale(const at::Tensor& stream) const {
  return final_scale(lm_.config(), lm_.transformer().weights(), stream);
}

at::Tensor FinalReader::gain() const {
  const NormWeights& norm = lm_.transformer().weights().ln_final;
  return norm.w.defined() ? norm.w + lm_.config().norm_offset : at::ones_like(mean_W_U_);
}

bool FinalReader::centres() const {
  return lm_.config().norm == NormKind::kLayerNorm && lm_.transformer().weights().ln_final.present;
}

at::Tensor FinalReader::centred(const at::Tensor& y) const {
  return centres() ? y - y.mean(-1, /*keepdim=*/true) : y;
}

}  // namespace weir
