#include "weir/sae/attention/frozen_run.h"

#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/model/heads.h"

namespace weir {
namespace {

at::Tensor doubles(const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kDouble); }

/// What a replay up to block `last` needs, of what this model has.
std::vector<std::string> names_in(const LanguageModel& lm, int64_t last) {
  std::set<std::string> wanted{"hook_pos_embed"};
  for (int64_t layer = 0; layer <= last; ++layer) {
    for (const char* site : {"hook_resid_pre", "attn.hook_v", "attn.hook_pattern", "attn.hook_z",
                             "hook_attn_out", "hook_resid_mid", "hook_mlp_out", "ln1.hook_scale",
                             "ln2.hook_scale", "ln1_post.hook_scale"}) {
      wanted.insert(fmt::format("blocks.{}.{}", layer, site));
    }
  }
  std::vector<std::string> names;
  for (const std::string& name : lm.transformer().hook_names()) {
    if (wanted.count(name) > 0) names.push_back(name);
  }
  return names;
}

class Freezer {
 public:
  Freezer(const LanguageModel& lm, const ActivationCache& cache) : lm_(lm), cache_(cache) {}

  FrozenBlock block(int64_t layer, const LayerSaes& attention, const LayerSaes& transcoders) {
    layer_ = layer;
    const ModelConfig& config = lm_.config();
    const BlockWeights& weights = lm_.transformer().weights().blocks[layer];
    FrozenBlock block;
    block.stream = at("hook_resid_pre");
    block.pattern = at("attn.hook_pattern");
    block.values = per_query_head(config, at("attn.hook_v"), 1);
    block.W_V = weights.attn.W_V.dense(at::kDouble).t().contiguous();
    const int64_t n_kv = config.n_kv_heads, d_head = config.d_head;
    const at::Tensor b_V = weights.attn.b_V.defined()
                               ? doubles(weights.attn.b_V).view({n_kv, d_head})
                               : at::zeros({n_kv, d_head}, at::kDouble);
    block.b_V = per_query_head(config, b_V, 0);
    block.W_O = weights.attn.W_O.dense(at::kDouble);
    block.b_O = weights.attn.b_O.defined() ? doubles(weights.attn.b_O)
                                           : at::zeros({config.d_model}, at::kDouble);
    block.attn_out = at("hook_attn_out");
    block.mlp_out = at("hook_mlp_out");
    block.ln1 = norm("ln1", weights.ln1);
    block.ln2 =
        norm(weights.ln2.present ? "ln2" : "ln1", weights.ln2.present ? weights.ln2 : weights.ln1);
    block.ln1_post = norm("ln1_post", weights.ln1_post);
    if (const auto sae = attention.find(layer); sae != attention.end()) {
      const at::Tensor z = at("attn.hook_z").flatten(1);
      block.attention = active_latents(*sae->second, z, z);
      block.written = at::mm(block.attention->decoder, block.W_O);
    }
    if (const auto sae = transcoders.find(layer); sae != transcoders.end()) {
      block.mlp = active_latents(*sae->second, mlp_input(block), block.mlp_out);
    }
    return block;
  }

 private:
  at::Tensor at(const char* site) const {
    return doubles(cache_[fmt::format("blocks.{}.{}", layer_, site)])[0];
  }

  FrozenNorm norm(const char* prefix, const NormWeights& weights) const {
    FrozenNorm norm;
    norm.is_there = weights.present;
    if (!norm.is_there) return norm;
    const ModelConfig& config = lm_.config();
    norm.takes_mean = config.norm == NormKind::kLayerNorm;
    norm.scale = at(fmt::format("{}.hook_scale", prefix).c_str());
    norm.gain = weights.w.defined() ? doubles(weights.w) + config.norm_offset
                                    : at::ones({config.d_model}, at::kDouble);
    if (weights.b.defined()) norm.bias = doubles(weights.b);
    return norm;
  }

  at::Tensor mlp_input(const FrozenBlock& block) const {
    const at::Tensor x = lm_.config().parallel_block ? block.stream : at("hook_resid_mid");
    if (!block.ln2.is_there) return x;
    const at::Tensor centred = block.ln2.takes_mean ? x - x.mean(1, true) : x;
    const at::Tensor y = centred / block.ln2.scale * block.ln2.gain;
    return block.ln2.bias.defined() ? y + block.ln2.bias : y;
  }

  const LanguageModel& lm_;
  const ActivationCache& cache_;
  int64_t layer_ = 0;
};

/// From what reaches the values [H, T, K] on.
AttentionPull pull_values(const FrozenBlock& block, const at::Tensor& covector) {
  AttentionPull pull;
  const int64_t n_heads = covector.size(0), n_positions = covector.size(1),
                d_head = covector.size(2);
  pull.value_bias = at::bmm(covector, block.b_V.unsqueeze(2)).squeeze(2);
  const int64_t n_kv = block.W_V.size(0) / d_head;
  const at::Tensor of_group =
      covector.view({n_kv, n_heads / n_kv, n_positions, d_head}).sum(1);  // [G, T, K]
  const at::Tensor normed = at::mm(of_group.transpose(0, 1).flatten(1), block.W_V);
  pull.norm_bias = block.ln1.bias_part(normed);
  pull.stream = block.ln1.pull(normed);
  return pull;
}

}  // namespace

at::Tensor FrozenNorm::pull(const at::Tensor& covector) const {
  if (!is_there) return covector;
  const at::Tensor weighted = covector * gain;
  return (takes_mean ? weighted - weighted.mean(1, true) : weighted) / scale;
}

at::Tensor FrozenNorm::bias_part(const at::Tensor& covector) const {
  return bias.defined() ? at::mv(covector, bias) : at::zeros({covector.size(0)}, at::kDouble);
}

FrozenRun freeze(const LanguageModel& lm, const at::Tensor& tokens, int64_t last,
                 const LayerSaes& attention, const LayerSaes& transcoders) {
  const ModelConfig& config = lm.config();
  require(tokens.dim() == 1 && tokens.size(0) > 0, "expected the tokens of one prompt");
  require(last >= 0 && last < config.n_layers, "expected a layer from 0 to {}, found {}",
          config.n_layers - 1, last);
  if (!config.pre_norm || config.residual_after_norm) {
    fail(ErrorCode::kUnsupported,
         "{} norms the stream itself: what layers add to it is no sum, and cannot be traced back",
         config.name.empty() ? config.family : config.name);
  }
  RunOptions options;
  options.cache.emplace();
  options.cache->names = names_in(lm, last);
  options.stop_when_cached = true;
  TokenBatch batch;
  batch.tokens = tokens.unsqueeze(0);
  const RunResult result = lm.run(batch, options);

  FrozenRun run;
  run.tokens = tokens;
  run.is_parallel = config.parallel_block;
  Freezer freezer(lm, result.cache);
  for (int64_t layer = 0; layer <= last; ++layer) {
    run.blocks.push_back(freezer.block(layer, attention, transcoders));
  }
  run.embed = run.blocks[0].stream;
  if (result.cache.contains("hook_pos_embed") && !config.embed_norm) {
    run.pos = doubles(result.cache["hook_pos_embed"])[0];
    run.embed = run.embed - run.pos;
  }
  return run;
}

AttentionPull pull_attention(const FrozenBlock& block, const at::Tensor& z) {
  const int64_t n_heads = block.pattern.size(0);
  const at::Tensor by_head = z.unflatten(1, {n_heads, -1}).transpose(0, 1);  // [H, D, K]
  return pull_values(block, at::bmm(block.pattern.transpose(1, 2), by_head));
}

AttentionPull pull_attention(const FrozenBlock& block, const at::Tensor& z, int64_t destination) {
  const int64_t n_heads = block.pattern.size(0);
  const at::Tensor by_head = z.view({n_heads, 1, -1});
  return pull_values(block, block.pattern.select(1, destination).unsqueeze(2) * by_head);
}

}  // namespace weir
