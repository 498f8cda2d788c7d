#include "weir/lens/attribution.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/model/heads.h"
#include "weir/nn/norm.h"

namespace weir {
namespace {

constexpr int64_t kColumnsAtOnce = 8192;

/// The forward and the direction that its parts are read along.
class Reader {
 public:
  Reader(const LanguageModel& lm, const TokenBatch& batch, const AttributionTarget& target,
         const AttributionOptions& options)
      : lm_(lm), options_(options), direction_(logit_direction(lm, target)) {
    RunOptions run;
    run.interventions = options.interventions;
    run.cache = CacheOptions{};
    run.cache->names = {"*hook_resid_pre", "*hook_resid_post", "*hook_attn_out", "*hook_mlp_out",
                        "*attn.hook_z"};
    if (lm.config().position == PositionKind::kLearned)
      run.cache->names.push_back("hook_pos_embed");
    const Weights& weights = lm.transformer().weights();
    for (const auto& [present, glob] :
         {std::pair{weights.ln_final.present, "ln_final.hook_scale"},
          std::pair{weights.blocks[0].ln1_post.present, "*ln1_post.hook_scale"},
          std::pair{weights.blocks[0].ln2_post.present, "*ln2_post.hook_scale"}}) {
      if (present) run.cache->names.push_back(glob);
    }
    if (options.neurons) run.cache->names.push_back("*mlp.hook_post");
    if (options.sources) {
      run.cache->names.push_back("*attn.hook_v");
      run.cache->names.push_back("*attn.hook_pattern");
    }
    run.logits = LogitsAt::kLast;
    cache_ = lm.run(batch, run).cache;
    const at::Tensor scale = weights.ln_final.present ? last("ln_final.hook_scale")
                                                      : at::ones({batch.tokens.size(0), 1});
    direction_.direction = direction_.direction / scale;
  }

  Attribution read() const {
    Attribution found;
    const at::Tensor entering = along(last("blocks.0.hook_resid_pre"));
    const bool has_positions = lm_.config().position == PositionKind::kLearned;
    found.pos_embed = has_positions ? along(last("hook_pos_embed")) : at::zeros_like(entering);
    found.embed = entering - found.pos_embed;
    found.constant = direction_.constant;
    std::vector<at::Tensor> attn, mlp, head, b_O, b_out, neuron, source, accumulated = {entering};
    for (int64_t layer = 0; layer < lm_.config().n_layers; ++layer) {
      const BlockWeights& block = lm_.transformer().weights().blocks[layer];
      attn.push_back(along(last(name(layer, "hook_attn_out"))));
      mlp.push_back(along(last(name(layer, "hook_mlp_out"))));
      accumulated.push_back(along(last(name(layer, "hook_resid_post"))));
      const at::Tensor u = through(block.ln1_post, layer, "ln1_post");  // [B, D]
      const at::Tensor read = head_directions(block, u);                // [H, K, B]
      head.push_back(at::einsum("bhk,hkb->hb", {last(name(layer, "attn.hook_z")), read}));
      b_O.push_back(bias_along(block.attn.b_O, u));
      if (options_.sources) source.push_back(by_source(layer, read));
      const at::Tensor v = through(block.ln2_post, layer, "ln2_post");
      b_out.push_back(bias_along(block.mlp.b_out, v));
      if (options_.neurons) {
        const at::Tensor out = at::matmul(block.mlp.W_out.dense(v.scalar_type()), v.t());  // [M, B]
        neuron.push_back(last(name(layer, "mlp.hook_post")).t() * out);
      }
    }
    found.attn = at::stack(attn);
    found.mlp = at::stack(mlp);
    found.head = at::stack(head);
    found.b_O = at::stack(b_O);
    found.b_out = at::stack(b_out);
    if (options_.neurons) found.neuron = at::stack(neuron);
    if (options_.sources) found.source = at::stack(source);
    found.accumulated = at::stack(accumulated) + found.constant;
    found.total = found.accumulated[-1];
    return found;
  }

 private:
  static std::string name(int64_t layer, const char* site) {
    return fmt::format("blocks.{}.{}", layer, site);
  }
  /// At the last position: [B, ...].
  at::Tensor last(const std::string& hook) const { return cache_[hook].select(1, -1); }
  at::Tensor along(const at::Tensor& x) const { return (x * direction_.direction).sum(-1); }

  /// The direction in front of a norm on what a module writes: its gain over its true scale.
  at::Tensor through(const NormWeights& post, int64_t layer, const char* which) const {
    if (!post.present) return direction_.direction;
    const double offset = lm_.config().norm_offset;
    const at::Tensor scale = last(name(layer, which) + ".hook_scale");
    const at::Tensor gain = post.w.defined() ? post.w + offset : at::ones({1});
    return direction_.direction * gain / scale;
  }

  /// W_O of each head times the direction: [H, K, B].
  at::Tensor head_directions(const BlockWeights& block, const at::Tensor& u) const {
    const ModelConfig& config = lm_.config();
    const at::Tensor rows = at::matmul(block.attn.W_O.dense(u.scalar_type()), u.t());
    return rows.view({config.n_heads, config.d_head, -1});
  }

  static at::Tensor bias_along(const at::Tensor& bias, const at::Tensor& u) {
    return bias.defined() ? at::matmul(u, bias.to(u.scalar_type()))
                          : at::zeros({u.size(0)}, u.options());
  }

  /// A[i, j] (v_j W_O) of the last query i: [H, T, B].
  at::Tensor by_source(int64_t layer, const at::Tensor& read) const {
    const at::Tensor values = per_query_head(lm_.config(), cache_[name(layer, "attn.hook_v")], 2);
    const at::Tensor weights = cache_[name(layer, "attn.hook_pattern")].select(2, -1);  // [B, H, T]
    return weights.permute({1, 2, 0}) * at::einsum("bthk,hkb->htb", {values, read});
  }

  const LanguageModel& lm_;
  const AttributionOptions& options_;
  LogitDirection direction_;
  ActivationCache cache_;
};

}  // namespace

at::Tensor mean_unembedding(const LanguageModel& lm) {
  const Matrix& W_U = lm.transformer().weights().W_U;
  at::Tensor sum = at::zeros({lm.config().d_model}, at::kDouble);
  for (int64_t first = 0; first < W_U.n_out(); first += kColumnsAtOnce) {
    const int64_t count = std::min(kColumnsAtOnce, W_U.n_out() - first);
    sum += W_U.slice_out(first, count).dense(at::kFloat).to(at::kDouble).sum(1);
  }
  return sum / static_cast<double>(W_U.n_out());
}

LogitDirection logit_direction(const LanguageModel& lm, const AttributionTarget& target) {
  const Weights& weights = lm.transformer().weights();
  const at::ScalarType dtype = lm.transformer().dtype();
  const auto column = [&](const at::Tensor& ids) {
    at::Tensor bias = at::zeros({ids.size(0)}, dtype);
    if (weights.b_U.defined()) bias = weights.b_U.to(dtype).index_select(0, ids);
    return std::pair{weights.W_U.lookup(ids, dtype), bias};
  };
  auto [u, bias] = column(target.answer);
  if (target.wrong.defined()) {
    const auto [wrong, wrong_bias] = column(target.wrong);
    u = u - wrong;
    bias = bias - wrong_bias;
  }
  if (target.is_centred) {
    u = u - mean_unembedding(lm).to(dtype);
    if (weights.b_U.defined()) bias = bias - weights.b_U.to(dtype).mean();
  }
  LogitDirection found{u, bias};
  const NormWeights& last = weights.ln_final;
  if (!last.present) return found;
  if (last.b.defined()) found.constant = bias + at::matmul(u, last.b.to(dtype));
  if (last.w.defined()) found.direction = u * (last.w.to(dtype) + lm.config().norm_offset);
  // LayerNorm takes a part's mean off it; the same is to take it off the direction.
  if (lm.config().norm == NormKind::kLayerNorm) {
    found.direction = found.direction - found.direction.mean(-1, true);
  }
  return found;
}

Attribution attribute(const LanguageModel& lm, const TokenBatch& batch,
                      const AttributionTarget& target, const AttributionOptions& options) {
  const at::NoGradGuard no_grad;
  if (!lm.config().pre_norm || lm.config().residual_after_norm) {
    fail(ErrorCode::kUnsupported,
         "attribution: '{}' norms the stream itself in every block, so its logits are no sum of "
         "what "
         "modules wrote",
         lm.config().family);
  }
  check_shape(batch);
  require(target.answer.dim() == 1 && target.answer.size(0) == batch.tokens.size(0),
          "attribution: expected an answer for each of {} rows, got {}", batch.tokens.size(0),
          c10::str(target.answer.sizes()));
  return Reader(lm, batch, target, options).read();
}

}  // namespace weir
