#include "weir/recall/last_position.h"

#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/nn/norm.h"

namespace weir {
namespace {

std::string site(int64_t layer, const char* name) {
  return "blocks." + std::to_string(layer) + "." + name;
}

// Tensors of every layer, the position axis (the only position) cut off.
at::Tensor stacked(const ActivationCache& cache, int64_t n_layers, const char* name, int64_t axis) {
  std::vector<at::Tensor> layers;
  for (int64_t layer = 0; layer < n_layers; ++layer) {
    layers.push_back(cache[site(layer, name)].select(axis, 0));
  }
  return at::stack(layers);
}

at::Tensor added_by_heads(const LanguageModel& lm, const ActivationCache& cache,
                          const at::Tensor& result) {
  std::vector<at::Tensor> layers;
  for (int64_t layer = 0; layer < lm.config().n_layers; ++layer) {
    const NormWeights& post = lm.transformer().weights().blocks[layer].ln1_post;
    at::Tensor heads = result[layer];
    if (post.present) {
      require(lm.config().norm == NormKind::kRmsNorm,
              "recall: heads before a LayerNorm behind attention do not add up");
      const at::Tensor scale = cache[site(layer, "ln1_post.hook_scale")];  // [N, 1, 1]
      heads = norm_gain(heads / scale, post.w, {}, lm.config().norm_offset);
    }
    layers.push_back(heads);
  }
  return at::stack(layers);
}

std::vector<std::string> wanted_names(const LanguageModel& lm) {
  std::vector<std::string> names = {"blocks.*.hook_resid_pre",   "blocks.*.hook_resid_post",
                                    "blocks.*.hook_attn_out",    "blocks.*.hook_mlp_in",
                                    "blocks.*.hook_mlp_out",     "blocks.*.attn.hook_result",
                                    "blocks.*.attn.hook_pattern"};
  for (const BlockWeights& block : lm.transformer().weights().blocks) {
    if (!block.ln1_post.present) continue;
    names.emplace_back("blocks.*.ln1_post.hook_scale");
    break;
  }
  return names;
}

}  // namespace

LastPosition::LastPosition(const LanguageModel& lm, const TokenBatch& prompts)
    : lm_(lm), prompts_(prompts), cache_(lm.config().n_layers) {
  const ModelConfig& config = lm.config();
  if (!config.pre_norm || config.residual_after_norm) {
    fail(ErrorCode::kUnsupported,
         "recall: expected a model whose blocks add to the stream, but '{}' norms the sum",
         config.name.empty() ? config.family : config.name);
  }
  check_shape(prompts);
  const at::NoGradGuard no_grad;
  const int64_t n_positions = prompts.tokens.size(1);
  if (n_positions > 1) {
    require(lm.transformer().can_extend_cache(n_positions - 1, n_positions),
            "recall: at {} tokens this model's rotary frequencies change; use shorter prompts",
            n_positions);
    ForwardInput prefix;
    prefix.tokens = prompts.tokens.slice(1, 0, n_positions - 1).to(lm.device());
    if (prompts.attention_mask.defined()) {
      prefix.attention_mask = prompts.attention_mask.slice(1, 0, n_positions - 1).to(lm.device());
    }
    prefix.logits = LogitsAt::kNone;
    prefix.cache = &cache_;
    lm.transformer().forward(prefix);
  }
  ActivationCache kept(CacheOptions{wanted_names(lm), {}, {}, {}, false});
  Hooks hooks = lm.make_hooks();
  kept.attach(hooks);
  KvCache grown = cache_.select(at::arange(prompts.tokens.size(0), at::kLong));
  ForwardInput input;
  input.tokens = prompts.tokens.slice(1, n_positions - 1).to(lm.device());
  if (prompts.attention_mask.defined()) {
    input.attention_mask = prompts.attention_mask.to(lm.device());
  }
  input.cache = &grown;
  input.hooks = &hooks;
  clean_.logits = lm.transformer().forward(input).logits.select(1, 0);
  const int64_t n_layers = config.n_layers;
  clean_.resid_pre = stacked(kept, n_layers, "hook_resid_pre", 1);
  clean_.resid_post = stacked(kept, n_layers, "hook_resid_post", 1);
  clean_.attn_out = stacked(kept, n_layers, "hook_attn_out", 1);
  clean_.mlp_in = stacked(kept, n_layers, "hook_mlp_in", 1);
  clean_.mlp_out = stacked(kept, n_layers, "hook_mlp_out", 1);
  clean_.result = stacked(kept, n_layers, "attn.hook_result", 1);
  clean_.pattern = stacked(kept, n_layers, "attn.hook_pattern", 2);
  clean_.resid_mid = config.parallel_block ? clean_.resid_pre + clean_.attn_out : clean_.mlp_in;
  clean_.head_out = added_by_heads(lm, kept, clean_.result);
}

ForwardOutput LastPosition::forward(const std::vector<NamedHook>& named, int64_t from_layer,
                                    const at::Tensor& rows_in, LogitsAt logits) const {
  const at::Tensor rows = rows_in.defined() ? rows_in : at::arange(n_prompts(), at::kLong);
  Hooks hooks = lm_.make_hooks();
  for (const auto& [glob, function] : named) hooks.add(glob, function);
  KvCache cache = cache_.select(rows);
  ForwardInput input;
  input.residual = clean_.resid_pre[from_layer].index_select(0, rows).unsqueeze(1);
  input.start_layer = from_layer;
  if (prompts_.attention_mask.defined()) {
    input.attention_mask = prompts_.attention_mask.index_select(0, rows).to(lm_.device());
  }
  input.logits = logits;
  input.cache = &cache;
  input.hooks = &hooks;
  return lm_.transformer().forward(input);
}

at::Tensor LastPosition::run(const std::vector<NamedHook>& hooks, int64_t from_layer,
                             const at::Tensor& rows) const {
  return forward(hooks, from_layer, rows, LogitsAt::kLast).logits.select(1, 0);
}

at::Tensor LastPosition::run_stream(const std::vector<NamedHook>& hooks, int64_t from_layer,
                                    const at::Tensor& rows) const {
  return forward(hooks, from_layer, rows, LogitsAt::kNone).residual.select(1, 0);
}

}  // namespace weir
