#include "weir/model/forward_pass.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/tensor/half_precision.h"

namespace weir {
namespace {

const at::Tensor& input_tensor(const ForwardInput& input, int64_t d_model) {
  const int given = input.tokens.defined() + input.embeddings.defined() + input.residual.defined();
  require(given == 1, "forward: expected one of tokens, embeddings and residual, got {}", given);
  if (input.tokens.defined()) {
    require(input.tokens.dim() == 2, "forward: expected tokens [batch, position], got shape {}",
            c10::str(input.tokens.sizes()));
    require(input.tokens.scalar_type() == at::kLong, "forward: expected int64 tokens, got {}",
            at::toString(input.tokens.scalar_type()));
    return input.tokens;
  }
  const at::Tensor& stream = input.embeddings.defined() ? input.embeddings : input.residual;
  require(stream.dim() == 3 && stream.size(2) == d_model,
          "forward: expected [batch, position, {}], got shape {}", d_model,
          c10::str(stream.sizes()));
  return stream;
}

void check_tokens(const at::Tensor& tokens, int64_t d_vocab) {
  const auto [lowest, highest] = at::aminmax(tokens);
  const int64_t low = lowest.item<int64_t>(), high = highest.item<int64_t>();
  require(low >= 0 && high < d_vocab,
          "forward: token id {} is not in the vocabulary of {} tokens (ids 0 to {})",
          low < 0 ? low : high, d_vocab, d_vocab - 1);
}

void check_segments(const at::Tensor& segments, const at::Tensor& given, int64_t n_cached) {
  require(n_cached == 0, "forward: segments and {} cached positions; packed rows take no cache",
          n_cached);
  require(segments.scalar_type() == at::kLong && segments.sizes() == given.sizes().slice(0, 2),
          "forward: expected int64 segments [{}, {}], got {} {}", given.size(0), given.size(1),
          at::toString(segments.scalar_type()), c10::str(segments.sizes()));
  require((segments.diff(1, 1) >= 0).all().item<bool>(),
          "forward: expected segments that never fall along a row; a document stands in one piece");
}

// [B, T, ...] -> [B, 1, ...]
at::Tensor last_position(const at::Tensor& x) { return x.slice(1, x.size(1) - 1); }

// [B, S] or [S]: how many real tokens of its document stand before each token.
at::Tensor real_positions(const at::Tensor& mask, const at::Tensor& segments, int64_t n,
                          const at::Device& device) {
  const auto integers = at::TensorOptions().dtype(at::kLong).device(device);
  const at::Tensor counted = mask.defined() ? mask.cumsum(1) : at::arange(1, n + 1, integers);
  if (!segments.defined()) return (counted - 1).clamp_min(0);
  const at::Tensor before =
      (mask.defined() ? counted - mask.to(at::kLong) : counted - 1).expand(segments.sizes());
  const at::Tensor starts = at::cat(
      {at::zeros({segments.size(0), 1}, integers.dtype(at::kBool)), segments.diff(1, 1) != 0}, 1);
  const at::Tensor base = std::get<0>(before.masked_fill(starts.logical_not(), 0).cummax(1));
  return (counted - 1 - base).clamp_min(0);
}

}  // namespace

ForwardPass::ForwardPass(const ModelConfig& config, const Weights& weights, at::ScalarType dtype,
                         const ForwardInput& input)
    : config_(config),
      weights_(weights),
      dtype_(dtype),
      input_(input),
      hooks_(input.hooks != nullptr && input.hooks->any() ? input.hooks : nullptr) {}

ForwardOutput ForwardPass::run() {
  const at::Tensor& given = input_tensor(input_, config_.d_model);
  n_rows_ = given.size(0);
  n_new_ = given.size(1);
  options_ = given.options().dtype(dtype_);
  require(given.numel() > 0, "forward: expected at least one row and one position, got shape {}",
          c10::str(given.sizes()));
  first_position_ = input_.cache != nullptr ? input_.cache->length() : 0;
  const int64_t n_all = first_position_ + n_new_;
  mask_ = input_.attention_mask;
  if (mask_.defined()) {
    require(mask_.size(0) == given.size(0) && mask_.size(1) == n_all,
            "forward: expected an attention mask [{}, {}], got {}", given.size(0), n_all,
            c10::str(mask_.sizes()));
    mask_ = mask_.to(at::kBool);
  }
  segments_ = input_.segments;
  if (segments_.defined()) check_segments(segments_, given, first_position_);
  key_positions_ = real_positions(mask_, segments_, n_all, given.device());

  const int64_t stop = input_.stop_at_layer.value_or(config_.n_layers);
  require(input_.start_layer >= 0 && input_.start_layer <= stop && stop <= config_.n_layers,
          "forward: expected 0 <= start layer <= stop layer <= {}, got {} and {}", config_.n_layers,
          input_.start_layer, stop);
  require(input_.start_layer == 0 || input_.residual.defined(),
          "forward: start layer {} needs the residual stream entering it", input_.start_layer);
  at::Tensor residual = input_.residual.defined() ? input_.residual.to(dtype_) : embed();
  for (int64_t layer = input_.start_layer; layer < stop; ++layer) {
    throw_if_interrupted();
    only_last_ = only_last_is_read(layer);
    residual = block(layer, residual);
  }
  if (input_.cache != nullptr) input_.cache->advance(n_new_);

  ForwardOutput output;
  const bool wants_logits = !input_.stop_at_layer && input_.logits != LogitsAt::kNone;
  if (wants_logits && input_.logits == LogitsAt::kLast) {
    first_position_ += n_new_ - 1;
    residual = last_position(residual);
  }
  output.residual = residual;
  if (wants_logits) output.logits = unembed(residual, true);
  return output;
}

// Whether the logits of the last position are all that anybody learns of this block: its keys and
// values then come of all positions, everything else of the last one.
bool ForwardPass::only_last_is_read(int64_t layer) const {
  if (layer + 1 < config_.n_layers || input_.stop_at_layer || input_.logits != LogitsAt::kLast ||
      n_new_ == 1 || segments_.defined()) {
    return false;
  }
  if (hooks_ == nullptr) return true;
  const std::string block = name_of(layer, ""), entry = block + "hook_resid_pre";
  const std::vector<std::string>& names = hooks_->names();
  return std::none_of(names.begin(), names.end(), [&](const std::string& name) {
    return name.compare(0, block.size(), block) == 0 && name != entry && hooks_->wants(name);
  });
}

at::Tensor ForwardPass::embed() {
  at::Tensor x;
  if (input_.tokens.defined()) {
    check_tokens(input_.tokens, weights_.W_E.n_out());
    x = weights_.W_E.lookup(input_.tokens, dtype_);
    if (config_.embed_scale != 1) x = x * config_.embed_scale;
  } else {
    x = input_.embeddings.to(dtype_);
  }
  x = tap("hook_embed", x);
  if (config_.position == PositionKind::kLearned) {
    const at::Tensor positions = key_positions_.slice(-1, first_position_);
    // Pads take no position.
    const int64_t longest =
        positions.dim() == 2 ? positions.max().item<int64_t>() + 1 : first_position_ + n_new_;
    require(longest <= weights_.W_pos.size(0),
            "forward: {} positions, but the model has position embeddings for {}", longest,
            weights_.W_pos.size(0));
    at::Tensor pos = at::embedding(weights_.W_pos, positions);
    if (pos.dim() == 2) pos = pos.unsqueeze(0).expand_as(x);
    x = x + tap("hook_pos_embed", pos);
  }
  return weights_.embed_norm.present ? normed("embed.ln", x, weights_.embed_norm) : x;
}

at::Tensor ForwardPass::block(int64_t layer, const at::Tensor& residual_in) {
  const BlockWeights& weights = weights_.blocks[layer];
  at::Tensor residual = tap(layer, "hook_resid_pre", residual_in);
  if (input_.cache == nullptr && skips(layer, "hook_resid_pre", "hook_resid_post")) {
    return tap(layer, "hook_resid_post", given(layer, "hook_resid_post", residual.sizes()));
  }
  const AttentionNeeds needs = attention_needs(layer);
  const bool norm_first = config_.pre_norm && weights.ln1.present;
  at::Tensor attn_input = residual;
  if (norm_first) {
    attn_input = needs.normalized || config_.residual_after_norm
                     ? normed(name_of(layer, "ln1"), residual, weights.ln1)
                     : at::Tensor();
  }
  const at::Tensor attn_out = attention_output(layer, residual, attn_input, needs);
  if (only_last_) {
    residual = last_position(residual);
    if (attn_input.defined()) attn_input = last_position(attn_input);
  }

  at::Tensor middle = residual;
  if (!config_.parallel_block) {
    if (attn_out.defined()) {
      middle = (config_.residual_after_norm ? attn_input : residual) + attn_out;
      if (!config_.pre_norm) middle = normed(name_of(layer, "ln1"), middle, weights.ln1);
    }
    middle = tap(layer, "hook_resid_mid", middle);
  }
  const at::Tensor mlp_stream = tap(layer, "hook_mlp_in", middle);
  const bool skips_mlp = skips(layer, "hook_mlp_in", "hook_mlp_out");
  at::Tensor read;
  if (!skips_mlp || config_.residual_after_norm) {
    read = mlp_input(layer, mlp_stream, residual, attn_input);
  }
  at::Tensor mlp_out;
  if (skips_mlp) {
    mlp_out = given(layer, "hook_mlp_out", residual.sizes());
  } else {
    mlp_out = mlp(layer, read);
    if (weights.ln2_post.present) {
      mlp_out = normed(name_of(layer, "ln2_post"), mlp_out, weights.ln2_post);
    }
  }
  mlp_out = tap(layer, "hook_mlp_out", mlp_out);
  if (config_.residual_after_norm) middle = read;
  at::Tensor after = config_.parallel_block ? residual + attn_out + mlp_out : middle + mlp_out;
  if (!config_.pre_norm) after = normed(name_of(layer, "ln2"), after, weights.ln2);
  return tap(layer, "hook_resid_post", after);
}

// What the MLP reads, or undefined where given values leave nothing that reads it. `attn_input` may
// be undefined: then attention had no use for it.
at::Tensor ForwardPass::mlp_input(int64_t layer, const at::Tensor& stream,
                                  const at::Tensor& residual, const at::Tensor& attn_input) {
  if (!reads_mlp_input(layer) && !config_.residual_after_norm) return {};
  const BlockWeights& weights = weights_.blocks[layer];
  if (config_.pre_norm && weights.ln2.present) {
    return normed(name_of(layer, "ln2"), stream, weights.ln2);
  }
  if (!config_.parallel_block) return stream;
  if (stream.is_same(residual) && attn_input.defined()) return attn_input;
  return normed(name_of(layer, "ln1"), stream, weights.ln1);
}

// One of q, k, v: [B, T, heads, K]. `input_site` is hook_{q,k,v}_input: the residual stream as
// each head of this projection reads it. It is projected per head only when a hook changed it or
// its gradient may be asked for.
at::Tensor ForwardPass::project(int64_t layer, const char* input_site, const AttentionInput& input,
                                const Matrix& matrix, const at::Tensor& bias, int64_t n_heads) {
  if (!input.per_head.defined() && !wants(layer, input_site)) {
    return matrix.apply(input.normalized, bias).unflatten(-1, {n_heads, config_.d_head});
  }
  // hook_attn_in has one copy for each query head; grouped key heads have none of their own.
  const bool shared = input.per_head.defined() && n_heads == config_.n_heads;
  const at::Tensor before =
      shared ? input.per_head : input.residual.unsqueeze(2).expand({-1, -1, n_heads, -1});
  const at::Tensor stream = tap(layer, input_site, before);
  const bool is_changed = !stream.is_same(before) || (shared && input.is_changed);
  if (!is_changed && !stream.requires_grad()) {
    return matrix.apply(input.normalized, bias).unflatten(-1, {n_heads, config_.d_head});
  }
  const NormWeights& ln1 = weights_.blocks[layer].ln1;
  const bool norm_first = config_.pre_norm && ln1.present;
  const at::Tensor read =
      norm_first ? norm(stream, config_.norm, config_.norm_eps, ln1.w, ln1.b, config_.norm_offset)
                 : stream;
  const at::Tensor per_head = matrix.dense(dtype_).unflatten(1, {n_heads, config_.d_head});
  const at::Tensor out = contraction("bthd,dhk->bthk", read, per_head);
  return bias.defined() ? out + bias.view({n_heads, config_.d_head}) : out;
}

at::Tensor ForwardPass::qk_norm(const std::string& prefix, const at::Tensor& x,
                                const NormWeights& weights) {
  if (config_.qk_norm == QkNorm::kOwnPerHead) {
    NormWeights plain;
    plain.present = true;
    return normed(prefix, x.reshape({-1, config_.d_head}), plain).view(x.sizes()) * weights.w;
  }
  if (config_.qk_norm == QkNorm::kPerHead) {
    return normed(prefix, x.reshape({-1, config_.d_head}), weights).view(x.sizes());
  }
  return normed(prefix, x.flatten(2).flatten(0, 1), weights).view(x.sizes());
}

std::pair<at::Tensor, at::Tensor> ForwardPass::rotated(int64_t layer, const at::Tensor& q,
                                                       const at::Tensor& k) {
  const RotaryConfig& rotary = config_.rotary_of(layer);
  const RotaryTables* all = nullptr;
  for (const auto& [config, tables] : tables_) {
    if (config == &rotary) all = &tables;
  }
  if (all == nullptr) {
    const int64_t length = key_positions_.dim() == 2 ? key_positions_.max().item<int64_t>() + 1
                                                     : key_positions_.size(0);
    tables_.emplace_back(&rotary, rotary_tables(rotary, key_positions_, length));
    all = &tables_.back().second;
  }
  const auto last = [](const RotaryTables& tables, int64_t count) {
    const int64_t axis = tables.cos.dim() - 2;
    const int64_t first = tables.cos.size(axis) - count;
    return RotaryTables{tables.cos.slice(axis, first), tables.sin.slice(axis, first)};
  };
  at::Tensor turned_q;
  if (q.defined()) {
    turned_q = tap(layer, "attn.hook_rot_q", rotate(q, last(*all, q.size(1)), rotary));
  }
  return {turned_q, tap(layer, "attn.hook_rot_k", rotate(k, last(*all, k.size(1)), rotary))};
}

at::Tensor ForwardPass::attention_output(int64_t layer, const at::Tensor& residual,
                                         const at::Tensor& normalized,
                                         const AttentionNeeds& needs) {
  at::Tensor out;
  if (needs.output || needs.keys || needs.values) {
    out = attention(layer, residual, normalized, needs);
  }
  if (!needs.output) {
    out = given(layer, "hook_attn_out", residual.sizes());
    if (!out.defined()) return out;  // hook_resid_mid is given.
  } else if (const NormWeights& post = weights_.blocks[layer].ln1_post; post.present) {
    out = normed(name_of(layer, "ln1_post"), out, post);
  }
  return tap(layer, "hook_attn_out", out);
}

// Queries [B, T, H, K], keys and values [B, T, G, K], before norm and rotation; undefined where
// they are not needed.
std::array<at::Tensor, 3> ForwardPass::queries_keys_values(int64_t layer,
                                                           const at::Tensor& residual,
                                                           const at::Tensor& normalized,
                                                           const AttentionNeeds& needs) {
  const AttentionWeights& weights = weights_.blocks[layer].attn;
  const int64_t n_heads = config_.n_heads, n_kv_heads = config_.n_kv_heads;
  AttentionInput input{residual, normalized, {}};
  if (wants(layer, "hook_attn_in")) {
    const at::Tensor copies = residual.unsqueeze(2).expand({-1, -1, n_heads, -1});
    input.per_head = tap(layer, "hook_attn_in", copies);
    input.is_changed = !input.per_head.is_same(copies);
  }
  struct Part {
    bool is_needed;
    const char *input_site, *site;
    const Matrix& matrix;
    const at::Tensor& bias;
    int64_t n_heads;
  };
  const std::array<Part, 3> parts = {
      Part{needs.scores, "hook_q_input", "attn.hook_q", weights.W_Q, weights.b_Q, n_heads},
      Part{needs.keys, "hook_k_input", "attn.hook_k", weights.W_K, weights.b_K, n_kv_heads},
      Part{needs.values, "hook_v_input", "attn.hook_v", weights.W_V, weights.b_V, n_kv_heads}};
  // Where no hook looks at what one of them reads, they are made together.
  bool together = !input.per_head.defined() && !only_last_;
  for (const Part& part : parts) {
    together = together && part.is_needed && !wants(layer, part.input_site) &&
               !made_without_input(layer, part.input_site, part.site);
  }
  std::vector<at::Tensor> made;
  if (together) {
    made = apply_together(
        normalized,
        {{weights.W_Q, weights.b_Q}, {weights.W_K, weights.b_K}, {weights.W_V, weights.b_V}});
  }
  std::array<at::Tensor, 3> result;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    if (!part.is_needed) continue;
    at::Tensor x;
    if (together) {
      x = made[i].unflatten(-1, {part.n_heads, config_.d_head});
    } else if (made_without_input(layer, part.input_site, part.site)) {
      x = given(layer, part.site, {n_rows_, n_new_, part.n_heads, config_.d_head});
    } else if (only_last_ && i == 0) {
      x = weights.W_Q.apply(last_position(normalized), weights.b_Q)
              .unflatten(-1, {n_heads, config_.d_head});
    } else {
      x = project(layer, part.input_site, input, part.matrix, part.bias, part.n_heads);
    }
    result[i] = tap(layer, part.site, x);
  }
  return result;
}

// What attention writes, before its post-norm; undefined unless needs.output. Keys and values may
// be wanted for the cache alone.
at::Tensor ForwardPass::attention(int64_t layer, const at::Tensor& residual,
                                  const at::Tensor& normalized, const AttentionNeeds& needs) {
  const AttentionWeights& weights = weights_.blocks[layer].attn;
  auto [q, k, v] = queries_keys_values(layer, residual, normalized, needs);
  if (config_.qk_norm != QkNorm::kNone) {
    if (q.defined()) q = qk_norm(name_of(layer, "attn.q_norm"), q, weights.q_norm);
    if (k.defined()) k = qk_norm(name_of(layer, "attn.k_norm"), k, weights.k_norm);
  }
  const bool rotary = config_.has_rotary(layer) && k.defined();
  // Frequencies that depend on the length turn all keys anew: the cache keeps them unturned.
  const bool turn_all = rotary && config_.rotary_of(layer).depends_on_length();
  if (rotary && !turn_all) std::tie(q, k) = rotated(layer, q, k);
  if (input_.cache != nullptr) std::tie(k, v) = input_.cache->append(layer, k, v);
  if (turn_all && needs.scores) std::tie(q, k) = rotated(layer, q, k);
  if (!needs.output) return {};
  at::Tensor z;
  if (needs.mixed) {
    z = mixed_values(layer, q, k, v, needs.scores);
  } else {
    z = given(layer, "attn.hook_z", {n_rows_, n_new_, config_.n_heads, config_.d_head});
  }
  return output_projection(layer, z.defined() ? tap(layer, "attn.hook_z", z) : z);
}

at::Tensor ForwardPass::mixed_values(int64_t layer, const at::Tensor& q, const at::Tensor& k,
                                     const at::Tensor& v, bool needs_scores) {
  const std::vector<int64_t> map_shape = {n_rows_, config_.n_heads, n_new_, v.size(1)};
  const char* const map_site = "attn.hook_pattern";
  if (!needs_scores) {
    at::Tensor pattern = given(layer, map_site, map_shape);
    if (!pattern.defined()) {
      pattern = attention_pattern(
          tap(layer, "attn.hook_attn_scores", given(layer, "attn.hook_attn_scores", map_shape)));
    }
    return attention_mix(tap(layer, map_site, pattern), v);
  }
  ScoreOptions options;
  options.scale = config_.attn_scale / (config_.scale_by_inverse_layer ? layer + 1.0 : 1.0);
  options.softcap = config_.attn_softcap;
  if (config_.position == PositionKind::kAlibi) options.slopes = alibi_slopes(config_.n_heads);
  const int64_t first_query = first_position_ + n_new_ - q.size(1);
  const AttentionMask mask{first_query, config_.window(layer), mask_, segments_};
  if (!wants(layer, "attn.hook_attn_scores") && !wants(layer, map_site)) {
    return attention_values(q, k, v, options, mask);
  }
  const at::Tensor scores =
      tap(layer, "attn.hook_attn_scores", attention_scores(q, k, options, mask));
  const at::Tensor pattern = tap(layer, map_site, attention_pattern(scores));
  return attention_mix(pattern, v);
}

at::Tensor ForwardPass::output_projection(int64_t layer, const at::Tensor& z) {
  const AttentionWeights& weights = weights_.blocks[layer].attn;
  if (wants(layer, "attn.hook_result")) {
    at::Tensor result =
        given(layer, "attn.hook_result", {n_rows_, n_new_, config_.n_heads, config_.d_model});
    if (!result.defined()) {
      const at::Tensor per_head =
          weights.W_O.dense(dtype_).unflatten(0, {config_.n_heads, config_.d_head});
      result = contraction("bthk,hkd->bthd", z, per_head);
    }
    const at::Tensor out = widened(tap(layer, "attn.hook_result", result)).sum(2);
    return (weights.b_O.defined() ? out + weights.b_O : out).to(dtype_);
  }
  return weights.W_O.apply(z.flatten(2), weights.b_O);
}

at::Tensor ForwardPass::mlp(int64_t layer, const at::Tensor& normalized) {
  const MlpWeights& weights = weights_.blocks[layer].mlp;
  const at::Tensor post = tap(layer, "mlp.hook_post", mlp_hidden(layer, normalized));
  return weights.W_out.apply(post, weights.b_out);
}

at::Tensor ForwardPass::mlp_hidden(int64_t layer, const at::Tensor& normalized) {
  const MlpWeights& weights = weights_.blocks[layer].mlp;
  const std::vector<int64_t> shape = {n_rows_, n_new_, weights.W_in.n_out()};
  if (skips(layer, "hook_mlp_in", "mlp.hook_post")) return given(layer, "mlp.hook_post", shape);
  at::Tensor pre = given(layer, "mlp.hook_pre", shape);
  if (!config_.gated_mlp) {
    if (!pre.defined()) pre = weights.W_in.apply(normalized, weights.b_in);
    return activate(tap(layer, "mlp.hook_pre", pre), config_.activation);
  }
  at::Tensor linear = given(layer, "mlp.hook_pre_linear", shape);
  if (!pre.defined() && !linear.defined()) {
    std::vector<at::Tensor> made = apply_together(
        normalized, {{weights.W_gate, weights.b_gate}, {weights.W_in, weights.b_in}});
    pre = std::move(made[0]);
    linear = std::move(made[1]);
  } else if (!pre.defined()) {
    pre = weights.W_gate.apply(normalized, weights.b_gate);
  } else if (!linear.defined()) {
    linear = weights.W_in.apply(normalized, weights.b_in);
  }
  pre = tap(layer, "mlp.hook_pre", pre);
  return gated(pre, tap(layer, "mlp.hook_pre_linear", linear), config_.activation);
}

at::Tensor ForwardPass::unembed(const at::Tensor& residual, bool final_norm) {
  at::Tensor x = residual;
  if (final_norm && weights_.ln_final.present) x = normed("ln_final", x, weights_.ln_final);
  x = tap("unembed.hook_in", x);
  at::Tensor logits = tap("unembed.hook_out", weights_.W_U.apply(x, weights_.b_U));
  if (config_.logit_softcap > 0) {
    const at::Tensor bent = (widened(logits) / config_.logit_softcap).tanh();
    logits = bent.mul(config_.logit_softcap).to(logits.scalar_type());
  }
  return logits;
}

at::Tensor ForwardPass::normed(const std::string& prefix, const at::Tensor& x,
                               const NormWeights& weights) {
  if (hooks_ != nullptr &&
      (hooks_->wants(prefix + ".hook_scale") || hooks_->wants(prefix + ".hook_normalized"))) {
    const at::Tensor scale =
        tap(prefix + ".hook_scale", norm_scale(x, config_.norm, config_.norm_eps));
    const at::Tensor normalized =
        tap(prefix + ".hook_normalized", norm_divide(x, scale, config_.norm));
    return norm_gain(normalized, weights.w, weights.b, config_.norm_offset);
  }
  return norm(x, config_.norm, config_.norm_eps, weights.w, weights.b, config_.norm_offset);
}

at::Tensor ForwardPass::tap(const std::string& name, at::Tensor x) const {
  return hooks_ == nullptr ? x : hooks_->run(name, std::move(x), first_position_);
}

at::Tensor ForwardPass::tap(int64_t layer, const char* site, at::Tensor x) const {
  return hooks_ == nullptr ? x : hooks_->run(name_of(layer, site), std::move(x), first_position_);
}

bool ForwardPass::wants(int64_t layer, const char* site) const {
  return hooks_ != nullptr && hooks_->wants(name_of(layer, site));
}

std::string ForwardPass::name_of(int64_t layer, const char* site) {
  return "blocks." + std::to_string(layer) + "." + site;
}

}  // namespace weir
