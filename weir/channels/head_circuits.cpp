#include "weir/channels/head_circuits.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/error.h"
#include "weir/model/heads.h"
#include "weir/nn/rotary.h"

namespace weir {
namespace {

/// One projection as it reads the stream: [D, heads K] and its bias [heads K].
struct Reading {
  at::Tensor w, b;
};

at::Tensor gain_of(const ModelConfig& config, const NormWeights& norm) {
  return norm.w + config.norm_offset;
}

Reading folded(const ModelConfig& config, const NormWeights& norm, Reading read) {
  const auto dtype = read.w.scalar_type();
  if (norm.b.defined()) read.b = read.b + at::matmul(norm.b.to(dtype), read.w);
  if (norm.w.defined()) read.w = read.w * gain_of(config, norm).to(dtype).unsqueeze(1);
  if (config.norm == NormKind::kLayerNorm) read.w = read.w - read.w.mean(0, /*keepdim=*/true);
  return read;
}

// The gain of a norm on queries or keys: [K] of each head, or [heads K].
void take_gain(const ModelConfig& config, const NormWeights& norm, Reading* read) {
  if (!norm.w.defined()) return;
  const bool is_own = config.qk_norm == QkNorm::kOwnPerHead;
  const at::Tensor gain = (is_own ? norm.w : gain_of(config, norm)).to(read->w.scalar_type());
  const int64_t times = read->w.size(1) / gain.numel();
  read->w = read->w * gain.flatten().repeat({times});
  read->b = read->b * gain.flatten().repeat({times});
}

/// [D, heads K] -> [H, D, K]
at::Tensor by_head(const ModelConfig& config, const at::Tensor& w, int64_t n_heads) {
  const at::Tensor heads = w.view({w.size(0), n_heads, config.d_head}).transpose(0, 1);
  return n_heads == config.n_heads ? heads : per_query_head(config, heads, 0);
}

at::Tensor bias_by_head(const ModelConfig& config, const at::Tensor& b, int64_t n_heads) {
  const at::Tensor heads = b.view({n_heads, config.d_head});
  return n_heads == config.n_heads ? heads : per_query_head(config, heads, 0);
}

// Rows x of W [H, D, K] as the queries or keys of position `position`.
at::Tensor turned(const at::Tensor& w, const RotaryConfig& rotary, int64_t position) {
  const at::Tensor positions = at::full({1}, position, at::kLong);
  const RotaryTables tables = rotary_tables(rotary, positions, position + 1);
  const RotaryTables exact = {tables.cos.to(w.scalar_type()), tables.sin.to(w.scalar_type())};
  return rotate(w.flatten(0, 1).unsqueeze(1).unsqueeze(1), exact, rotary).view(w.sizes());
}

at::Tensor with_bias_row(const at::Tensor& w, const at::Tensor& b) {
  return at::cat({w, b.unsqueeze(1)}, 1);
}

}  // namespace

bool is_centred(const ModelConfig& config, const CircuitOptions& options) {
  return options.fold && config.norm == NormKind::kLayerNorm && !config.norm_folded;
}

LayerHeads layer_heads(const Weights& weights, const ModelConfig& config, int64_t layer,
                       const CircuitOptions& options) {
  const auto n_layers = static_cast<int64_t>(weights.blocks.size());
  require(layer >= 0 && layer < n_layers, "heads: expected a layer from 0 to {}, got {}",
          n_layers - 1, layer);
  if (options.fold && (!config.pre_norm || config.residual_after_norm)) {
    fail(ErrorCode::kUnsupported,
         "heads: '{}' norms the sum, so that no gain belongs to one reader; ask for the weights as "
         "stored",
         config.family);
  }
  const BlockWeights& block = weights.blocks[static_cast<size_t>(layer)];
  const AttentionWeights& attn = block.attn;
  const auto read = [&](const Matrix& matrix, const at::Tensor& bias) {
    Reading reading{matrix.dense(options.dtype), bias.defined()
                                                     ? bias.to(options.dtype)
                                                     : at::zeros({matrix.n_out()}, options.dtype)};
    const bool has_norm = options.fold && block.ln1.present;
    return has_norm ? folded(config, block.ln1, std::move(reading)) : reading;
  };
  Reading q = read(attn.W_Q, attn.b_Q), k = read(attn.W_K, attn.b_K);
  const Reading v = read(attn.W_V, attn.b_V);
  at::Tensor W_O = attn.W_O.dense(options.dtype);
  if (options.fold) {
    take_gain(config, attn.q_norm, &q);
    take_gain(config, attn.k_norm, &k);
    if (block.ln1_post.w.defined()) {
      W_O = W_O * gain_of(config, block.ln1_post).to(options.dtype);
    }
    if (config.norm == NormKind::kLayerNorm) W_O = W_O - W_O.mean(-1, /*keepdim=*/true);
  }
  const int64_t n_heads = config.n_heads, n_kv = config.n_kv_heads;
  return {by_head(config, q.w, n_heads),      by_head(config, k.w, n_kv),
          by_head(config, v.w, n_kv),         W_O.view({n_heads, config.d_head, config.d_model}),
          bias_by_head(config, q.b, n_heads), bias_by_head(config, k.b, n_kv),
          bias_by_head(config, v.b, n_kv)};
}

FactoredMatrix LayerHeads::qk_at(const ModelConfig& config, int64_t layer, int64_t offset) const {
  require(config.has_rotary(layer), "heads: layer {} has no rotary embedding, so no offset", layer);
  const RotaryConfig& rotary = config.rotary_of(layer);
  // Turning both by the same angle changes nothing: only the difference counts.
  const at::Tensor queries = offset > 0 ? turned(W_Q, rotary, offset) : W_Q;
  const at::Tensor keys = offset < 0 ? turned(W_K, rotary, -offset) : W_K;
  return {queries, keys.transpose(-2, -1)};
}

FactoredMatrix LayerHeads::qk_augmented() const {
  return {with_bias_row(W_Q, b_Q), with_bias_row(W_K, b_K).transpose(-2, -1)};
}

FactoredMatrix one_head(const FactoredMatrix& heads, int64_t head) {
  return {heads.left.slice(0, head, head + 1), heads.right.slice(0, head, head + 1)};
}

HeadComponents head_components(const FactoredMatrix& heads, SignRule signs) {
  const int64_t n_heads = heads.left.size(0);
  std::vector<Svd> found(static_cast<size_t>(n_heads));
  at::parallel_for(0, n_heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t h = begin; h < end; ++h) {
      found[static_cast<size_t>(h)] = FactoredMatrix{heads.left[h], heads.right[h]}.svd();
    }
  });
  std::vector<at::Tensor> left, S, right;
  for (const Svd& svd : found) {
    left.push_back(svd.U);
    S.push_back(svd.S);
    right.push_back(svd.Vh.t());
  }
  HeadComponents components{at::stack(left), at::stack(S), at::stack(right)};
  const at::Tensor& ruled = signs == SignRule::kLeft ? components.left : components.right;
  const at::Tensor largest = ruled.gather(1, ruled.abs().argmax(1, /*keepdim=*/true));  // [H, 1, K]
  const at::Tensor sign = at::where(largest < 0, -1.0, 1.0).to(ruled.scalar_type());
  components.left = components.left * sign;
  components.right = components.right * sign;
  return components;
}

at::Tensor degenerate_groups(const at::Tensor& singular_values, double tolerance) {
  const int64_t n_heads = singular_values.size(0), k = singular_values.size(1);
  const at::Tensor values = singular_values.to(at::kDouble).contiguous();
  const at::Tensor groups = at::empty({n_heads, k}, at::kLong);
  for (int64_t h = 0; h < n_heads; ++h) {
    const double* s = values.data_ptr<double>() + h * k;
    int64_t* group = groups.data_ptr<int64_t>() + h * k;
    for (int64_t i = 0; i < k; ++i) {
      const bool is_apart = i == 0 || s[i - 1] - s[i] > tolerance * s[i - 1];
      group[i] = is_apart ? i : group[i - 1];
    }
  }
  return groups;
}

}  // namespace weir
