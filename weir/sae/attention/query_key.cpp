#include "weir/sae/attention/query_key.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/model/heads.h"
#include "weir/nn/rotary.h"

namespace weir {
namespace {

at::Tensor doubles(const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kDouble); }

/// ln1's linear part of each component, and its bias as one more; then a head's projection.
at::Tensor projected(const FrozenBlock& block, const at::Tensor& parts, const at::Tensor& W,
                     const at::Tensor& b) {
  const FrozenNorm& norm = block.ln1;
  at::Tensor read = parts;
  if (norm.is_there) {
    if (norm.takes_mean) read = read - read.mean(-1, true);
    read = read / norm.scale * norm.gain;
  }
  at::Tensor constant = b.defined() ? b : at::zeros({W.size(1)}, at::kDouble);
  if (norm.bias.defined()) constant = constant + at::mv(W.t(), norm.bias);
  const at::Tensor last = constant.expand({1, parts.size(1), W.size(1)});
  return at::cat({at::matmul(read, W), last});  // [n + 1, T, K]
}

at::Tensor turned(const ModelConfig& config, int64_t layer, const at::Tensor& x) {
  if (!config.has_rotary(layer)) return x;
  const RotaryConfig& rotary = config.rotary_of(layer);
  const int64_t n_positions = x.size(1);
  const RotaryTables tables = rotary_tables(rotary, at::arange(n_positions), n_positions);
  return rotate(x.unsqueeze(2), tables, rotary).squeeze(2);
}

/// Over causal edges: y - mean(y), 0 elsewhere.
at::Tensor centred_scores(const at::Tensor& scores) {
  const at::Tensor causal = at::ones_like(scores).tril();
  return (scores - (scores * causal).sum() / causal.sum()) * causal;
}

}  // namespace

StreamParts stream_parts(const FrozenRun& run, int64_t layer, int64_t n_features) {
  StreamParts parts;
  std::vector<at::Tensor> values{run.embed};
  parts.names.emplace_back("embed");
  if (run.pos.defined()) {
    parts.names.emplace_back("pos");
    values.push_back(run.pos);
  }
  for (int64_t l = 0; l < layer; ++l) {
    const FrozenBlock& block = run.blocks[l];
    at::Tensor rest = block.attn_out;
    if (block.attention && !block.ln1_post.is_there) {
      const ActiveLatents& latents = *block.attention;
      const auto n = static_cast<int64_t>(latents.features.size());
      const at::Tensor dense = at::zeros({latents.places.size(0), n}, at::kDouble)
                                   .scatter_add(1, latents.places, latents.values);
      const at::Tensor order = at::argsort(dense.sum(0), 0, true);
      for (int64_t i = 0; i < std::min(n_features, n); ++i) {
        const auto row = order[i].item<int64_t>();
        const at::Tensor part = dense.select(1, row).unsqueeze(1) * block.written[row];
        parts.names.push_back(fmt::format("f{}.{}", l, latents.features[row]));
        values.push_back(part);
        rest = rest - part;
      }
    }
    parts.names.push_back(fmt::format("attn_rest{}", l));
    values.push_back(rest);
    parts.names.push_back(fmt::format("mlp{}", l));
    values.push_back(block.mlp_out);
  }
  parts.values = at::stack(values);
  return parts;
}

QueryKeyParts query_key_parts(const LanguageModel& lm, const FrozenRun& run, int64_t layer,
                              int64_t head, const StreamParts& parts) {
  const ModelConfig& config = lm.config();
  if (config.qk_norm != QkNorm::kNone || config.position == PositionKind::kAlibi ||
      config.attn_softcap != 0) {
    fail(ErrorCode::kUnsupported,
         "scores of this model are no sum over pairs: it norms q and k, caps scores or adds a "
         "position bias");
  }
  const AttentionWeights& weights = lm.transformer().weights().blocks[layer].attn;
  const int64_t d_head = config.d_head, kv = kv_head(config, head);
  const auto head_of = [&](const at::Tensor& bias, int64_t index) {
    return bias.defined() ? doubles(bias).flatten().narrow(0, index * d_head, d_head)
                          : at::Tensor();
  };
  const at::Tensor W_Q = weights.W_Q.dense(at::kDouble).narrow(1, head * d_head, d_head);
  const at::Tensor W_K = weights.W_K.dense(at::kDouble).narrow(1, kv * d_head, d_head);
  const FrozenBlock& block = run.blocks[layer];
  QueryKeyParts found;
  found.names = parts.names;
  found.names.emplace_back("bias");
  double scale = config.attn_scale;
  if (config.scale_by_inverse_layer) scale /= static_cast<double>(layer + 1);
  found.q = turned(config, layer, projected(block, parts.values, W_Q, head_of(weights.b_Q, head)));
  found.k =
      turned(config, layer, projected(block, parts.values, W_K, head_of(weights.b_K, kv))) * scale;
  return found;
}

at::Tensor QueryKeyParts::at_edge(int64_t destination, int64_t source) const {
  return at::mm(q.select(1, destination), k.select(1, source).t());
}

at::Tensor QueryKeyParts::pairs() const {
  return at::matmul(q.unsqueeze(1), k.unsqueeze(0).transpose(2, 3));
}

at::Tensor QueryKeyParts::scores() const { return at::mm(q.sum(0), k.sum(0).t()); }

PairRanking rank_pairs(const QueryKeyParts& parts, int64_t n_best) {
  const at::Tensor y = centred_scores(parts.scores());
  const double variance = y.square().sum().item<double>();
  // sum over edges of y q_a . k_b, without the pairs' own maps: y sums to 0 over causal edges.
  const at::Tensor weighted = at::matmul(y, parts.k);  // [n, T, K]
  const at::Tensor covariance =
      at::mm(parts.q.flatten(1), weighted.flatten(1).t()) / variance;  // [n, n]
  const int64_t n = covariance.size(0);
  const at::Tensor order = at::argsort(covariance.abs().flatten(), 0, true);
  PairRanking ranking;
  at::Tensor sum = at::zeros_like(y);
  for (int64_t i = 0; i < std::min(n_best, n * n); ++i) {
    const auto place = order[i].item<int64_t>();
    const int64_t a = place / n, b = place % n;
    ranking.pairs.emplace_back(a, b);
    ranking.share.push_back(covariance[a][b].item<double>());
    sum = sum + at::mm(parts.q[a], parts.k[b].t());
    ranking.cumulative_r2.push_back(1 - (y - centred_scores(sum)).square().sum().item<double>() /
                                            variance);
  }
  return ranking;
}

}  // namespace weir
