#include "weir/recall/head_readings.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/model/heads.h"
#include "weir/nn/norm.h"
#include "weir/patch/head_scores.h"
#include "weir/recall/final_reader.h"

namespace weir {
namespace {

constexpr int64_t kRowsAtOnce = 512;  // logits of so many rows: 100 MB for a vocabulary of 49,152

// What a head writes for normed streams x [R, D].
class Writer {
 public:
  Writer(const LanguageModel& lm, const HeadId& id) {
    const ModelConfig& config = lm.config();
    const AttentionWeights& weights = lm.transformer().weights().blocks[id.layer].attn;
    const at::ScalarType dtype = lm.transformer().dtype();
    const int64_t d_head = config.d_head, group = kv_head(config, id.head);
    W_V_ = weights.W_V.dense(dtype).slice(1, group * d_head, (group + 1) * d_head);
    W_O_ = weights.W_O.dense(dtype).slice(0, id.head * d_head, (id.head + 1) * d_head);
    if (weights.b_V.defined()) b_V_ = weights.b_V.slice(0, group * d_head, (group + 1) * d_head);
  }
  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor v = at::matmul(x, W_V_);
    return at::matmul(b_V_.defined() ? v + b_V_ : v, W_O_);
  }
  const at::Tensor& W_V() const { return W_V_; }
  const at::Tensor& W_O() const { return W_O_; }

 private:
  at::Tensor W_V_, W_O_, b_V_;  // [D, K], [K, D], [K]
};

/// Of each set of writes [sets, R, D], the share for which the token is among the `top` first:
/// [sets].
at::Tensor shares_in_top(const LanguageModel& lm, const at::Tensor& written,
                         const at::Tensor& tokens, int64_t top) {
  const at::Tensor rows = written.flatten(0, 1), ids = tokens.repeat({written.size(0)});
  std::vector<at::Tensor> hits;
  for (int64_t first = 0; first < rows.size(0); first += kRowsAtOnce) {
    const int64_t end = std::min(first + kRowsAtOnce, rows.size(0));
    const at::Tensor logits = lm.transformer().unembed(rows.slice(0, first, end));
    const at::Tensor own = logits.gather(1, ids.slice(0, first, end).unsqueeze(1));
    hits.push_back((logits > own).sum(1) < top);
  }
  return at::cat(hits).view(written.sizes().slice(0, 2)).to(at::kDouble).mean(1);
}

at::Tensor correlation(const at::Tensor& x_in, const at::Tensor& y_in) {  // over axis 0
  const at::Tensor x = x_in.to(at::kDouble), y = y_in.to(at::kDouble);
  const at::Tensor a = x - x.mean(0), b = y - y.mean(0);
  return (a * b).sum(0) / (a.square().sum(0) * b.square().sum(0)).sqrt();
}

}  // namespace

HeadReadings read_heads(const LastPosition& prompts, const at::Tensor& first,
                        const at::Tensor& last, const at::Tensor& subject) {
  const at::NoGradGuard no_grad;
  const LastActivations& clean = prompts.clean();
  const at::Tensor position = at::arange(clean.pattern.size(3), at::kLong);
  const at::Tensor is_subject = position.ge(first.unsqueeze(1)) & position.le(last.unsqueeze(1));
  HeadReadings readings;
  readings.attention =
      (clean.pattern * is_subject.view({1, is_subject.size(0), 1, -1})).sum(-1).transpose(0, 1);
  const FinalReader reader(prompts.lm());
  const at::Tensor u = reader.W_U().index_select(1, subject).t();  // [N, D]
  readings.write = at::einsum("lnhd,nd->nlh", {clean.head_out, u});
  readings.pearson = correlation(readings.attention, readings.write);
  return readings;
}

CopyScores copy_scores(const LanguageModel& lm, const std::vector<HeadId>& heads,
                       const at::Tensor& streams, const at::Tensor& tokens, int64_t top) {
  const at::NoGradGuard no_grad;
  const ModelConfig& config = lm.config();
  if (config.n_layers < 2) {
    fail(ErrorCode::kUnsupported, "copy scores: expected two layers, this model has one");
  }
  const NormWeights& ln1 = lm.transformer().weights().blocks[1].ln1;
  const at::Tensor read =
      ln1.present ? norm(streams, config.norm, config.norm_eps, ln1.w, ln1.b, config.norm_offset)
                  : streams;
  std::vector<at::Tensor> written;
  for (const HeadId& head : heads) written.push_back(Writer(lm, head)(read));
  if (written.empty()) return {at::empty({0}, at::kDouble), at::empty({0}, at::kDouble)};
  const at::Tensor all = at::stack(written);  // [heads, R, D]
  return {shares_in_top(lm, all, tokens, top), shares_in_top(lm, -all, tokens, top)};
}

EigenPositivity eigen_positivity(const LanguageModel& lm) {
  const at::NoGradGuard no_grad;
  const ModelConfig& config = lm.config();
  const Weights& weights = lm.transformer().weights();
  const FinalReader reader(lm);
  const auto centred = [&](const at::Tensor& W) {  // over its input axis, as LayerNorm reads it
    return config.norm == NormKind::kLayerNorm ? W - W.mean(0) : W;
  };
  // [D, D]: from the stream to all tokens and back to their embeddings.
  const at::Tensor W_E = weights.W_E.dense(lm.transformer().dtype()).t();  // [V, D]
  const at::Tensor through =
      centred(reader.gain().unsqueeze(1) * at::matmul(reader.W_U(), W_E)).to(at::kDouble);
  EigenPositivity result;
  result.ov = ov_eigenvalue_positivity(lm);
  result.full = at::zeros_like(result.ov);
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    const at::Tensor& w = weights.blocks[layer].ln1.w;
    for (int64_t head = 0; head < config.n_heads; ++head) {
      const Writer writer(lm, {layer, head});
      const at::Tensor W_O = writer.W_O().to(at::kDouble), W_V = writer.W_V().to(at::kDouble);
      const at::Tensor read =
          w.defined() ? (w.to(at::kDouble) + config.norm_offset).unsqueeze(1) * W_V : W_V;
      result.full[layer][head] = eigenvalue_positivity(at::mm(at::mm(W_O, through), centred(read)));
    }
  }
  return result;
}

}  // namespace weir
