#include "weir/recall/last_block.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/patch/grids.h"
#include "weir/recall/intercept.h"
#include "weir/tensor/rank_correlation.h"

namespace weir {
namespace {

double cosine(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor a = x.to(at::kDouble), b = y.to(at::kDouble);
  return (at::dot(a, b) / (a.norm() * b.norm())).item<double>();
}

at::Tensor cosines(const at::Tensor& rows_in, const at::Tensor& y) {
  const at::Tensor rows = rows_in.to(at::kDouble), b = y.to(at::kDouble);
  return at::mv(rows, b) / (rows.norm(2, 1) * b.norm());
}

at::Tensor unit_columns(const at::Tensor& U) { return U / U.norm(2, 0, true); }

at::Tensor last_W_out(const LanguageModel& lm) {
  return lm.transformer()
      .weights()
      .blocks.back()
      .mlp.W_out.dense(lm.transformer().dtype())
      .to(at::kDouble);
}

}  // namespace

AverageTokens average_tokens(const FinalReader& reader, const at::Tensor& unigram) {
  return {reader.mean_W_U(), at::mv(reader.W_U(), unigram.to(reader.W_U().scalar_type()))};
}

LastBlock last_block(const LastPosition& last, const at::Tensor& answers, const at::Tensor& b,
                     const at::Tensor& unigram) {
  const at::NoGradGuard no_grad;
  const FinalReader reader(last.lm());
  const LastActivations& clean = last.clean();
  const int64_t layer = clean.mlp_out.size(0) - 1, n_heads = clean.head_out.size(2);
  const at::Tensor pre = clean.resid_pre[layer], mid = clean.resid_mid[layer],
                   post = clean.resid_post[layer];
  const at::Tensor scale = reader.scale(post);
  LastBlock block;
  block.attn_own = reader.own(mid, answers) - reader.own(pre, answers);
  block.mlp_own = reader.own(post, answers) - reader.own(mid, answers);
  block.attn_frozen = reader.share(mid - pre, answers, scale);
  block.mlp_frozen = reader.share(post - mid, answers, scale);
  const at::Tensor heads = clean.head_out[layer].transpose(0, 1);  // [H, N, D]
  block.head_dla = reader.share(heads, answers, scale).t();
  for (int64_t head = 0; head < n_heads; ++head) {
    if (block.head_dla.select(1, head).mean().item<double>() < 0) {
      block.negative_heads.push_back(head);
    }
  }
  block.average = average_tokens(reader, unigram);
  const at::Tensor log_p = unigram.to(at::kDouble).log();
  const double mean_scale = scale.mean().item<double>();
  const auto add = [&](const std::string& name, const at::Tensor& y) {
    const at::Tensor logits = lens_of(reader, y, mean_scale, UnembeddingForm::kFolded);
    block.components.push_back({name, cosine(y, block.average.u_mean),
                                cosine(y, block.average.u_freq), spearman(logits, log_p)});
  };
  add("mlp_out", clean.mlp_out[layer].mean(0));
  add("b", b);
  for (int64_t head = 0; head < n_heads; ++head) {
    add("head" + std::to_string(head), clean.head_out[layer].select(1, head).mean(0));
  }
  block.mlp_cos_u_mean = cosines(clean.mlp_out[layer], block.average.u_mean);
  block.mlp_cos_u_freq = cosines(clean.mlp_out[layer], block.average.u_freq);
  block.attention_to_first = clean.pattern[layer].select(-1, 0);
  return block;
}

LastNeurons last_neurons(const LanguageModel& lm, int64_t null_k, bool folded) {
  const at::NoGradGuard no_grad;
  const FinalReader reader(lm);
  at::Tensor U = reader.W_U().to(at::kDouble);
  if (folded) {
    U = reader.gain().to(at::kDouble).unsqueeze(1) * U;
    if (reader.centres()) U = U - U.mean(0);
  }
  const at::Tensor W_out = last_W_out(lm);
  LastNeurons neurons;
  neurons.norm = W_out.norm(2, 1);
  const at::Tensor rows = W_out / neurons.norm.unsqueeze(1);
  // The variance over tokens through the covariance of W_U's unit columns: no [M, V].
  const at::Tensor unit = unit_columns(U);
  const at::Tensor spread = unit - unit.mean(1, /*keepdim=*/true);
  const at::Tensor covariance = at::mm(spread, spread.t()) / static_cast<double>(U.size(1));
  neurons.logit_var = (at::mm(rows, covariance) * rows).sum(1);
  // U = R^T Q^T, so U's left singular vectors are the right ones of the small R.
  const at::Tensor R = std::get<1>(at::linalg_qr(U.t(), "r"));
  const auto [left, values, right] = at::linalg_svd(R, /*full_matrices=*/true);
  neurons.singular_values = values;
  neurons.rho = at::mm(rows, right.slice(0, right.size(0) - null_k).t()).norm(2, 1);
  return neurons;
}

at::Tensor frequency_correlation(const LanguageModel& lm, const at::Tensor& unigram) {
  const at::NoGradGuard no_grad;
  const FinalReader reader(lm);
  // Of logits w U with log p over tokens: covariances through U's own, no [M, V].
  at::Tensor U = reader.gain().to(at::kDouble).unsqueeze(1) * reader.W_U().to(at::kDouble);
  if (reader.centres()) U = U - U.mean(0);
  const at::Tensor spread = U - U.mean(1, /*keepdim=*/true);
  at::Tensor log_p = unigram.to(at::kDouble).log();
  log_p = log_p - log_p.mean();
  const at::Tensor W_out = last_W_out(lm);
  const at::Tensor with = at::mv(W_out, at::mv(spread, log_p));
  const at::Tensor squares = (at::mm(W_out, at::mm(spread, spread.t())) * W_out).sum(1);
  return with / (squares.sqrt() * log_p.norm());
}

}  // namespace weir
