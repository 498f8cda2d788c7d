#include "weir/recall/mlp_parts.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "weir/base/error.h"
#include "weir/nn/norm.h"

namespace weir {
namespace {

std::string site(int64_t layer, const char* name) {
  return "blocks." + std::to_string(layer) + "." + name;
}

// The output [R, D] of norm and MLP of `layer` for streams x [R, D], in the graph of x.
at::Tensor run_mlp(const LanguageModel& lm, int64_t layer, const at::Tensor& x) {
  Hooks hooks = lm.make_hooks();
  // Nothing is added before the MLP reads the stream.
  hooks.give(site(layer, "hook_attn_out"), at::zeros({1}, x.options()));
  at::Tensor out;
  hooks.add(site(layer, "hook_mlp_out"), [&](const at::Tensor& y, const HookContext&) {
    out = y;
    return y;
  });
  ForwardInput input;
  input.residual = x.unsqueeze(1);
  input.start_layer = layer;
  input.stop_at_layer = layer + 1;
  input.logits = LogitsAt::kNone;
  input.hooks = &hooks;
  lm.transformer().forward(input);
  return out.select(1, 0);
}

}  // namespace

MlpParts mlp_parts(const LastPosition& last, int64_t layer, const std::vector<HeadId>& heads) {
  const ModelConfig& config = last.lm().config();
  const LastActivations& clean = last.clean();
  const int64_t last_read = config.parallel_block ? layer - 1 : layer;
  MlpParts parts;
  parts.layer = layer;
  parts.x = clean.mlp_in[layer];
  parts.m = clean.mlp_out[layer];
  std::vector<at::Tensor> c;
  at::Tensor rest = parts.x;
  for (const HeadId& head : heads) {
    require(head.layer <= last_read && head.head < config.n_heads,
            "decomposition: MLP {} does not read head {}", layer, head.name());
    c.push_back(clean.head_out[head.layer].select(1, head.head));
    rest = rest - c.back();
    parts.names.push_back(head.name());
  }
  c.push_back(rest);
  parts.names.emplace_back("rest");
  parts.c = at::stack(c, 1);
  const BlockWeights& block = last.lm().transformer().weights().blocks[layer];
  const NormWeights& norm = block.ln2.present ? block.ln2 : block.ln1;
  parts.scale = norm.present ? norm_scale(parts.x, config.norm, config.norm_eps).squeeze(-1)
                             : at::ones_like(parts.x.select(1, 0));
  if (norm.w.defined()) parts.gain = norm.w + config.norm_offset;
  parts.centres = norm.present && config.norm == NormKind::kLayerNorm;
  return parts;
}

MlpParts mlp_parts(const LastPosition& last, int64_t layer) {
  const ModelConfig& config = last.lm().config();
  const int64_t heads_of = config.parallel_block ? layer - 1 : layer;
  std::vector<HeadId> heads;
  for (int64_t head = 0; heads_of >= 0 && head < config.n_heads; ++head) {
    heads.push_back({heads_of, head});
  }
  return mlp_parts(last, layer, heads);
}

Linearised linearise(const LanguageModel& lm, const MlpParts& parts) {
  const at::AutoGradMode with_graph(true);
  const int64_t n_parts = parts.c.size(1);
  // A row for each prompt and part: J c is linear in c, and is the derivative of v -> J^T v along
  // c.
  const at::Tensor x = parts.x.repeat_interleave(n_parts, 0).detach().requires_grad_(true);
  const at::Tensor y = run_mlp(lm, parts.layer, x);
  const at::Tensor v = at::zeros_like(y).requires_grad_(true);
  const at::Tensor back = torch::autograd::grad({y}, {x}, {v}, /*retain_graph=*/true,
                                                /*create_graph=*/true)[0];
  const at::Tensor along = torch::autograd::grad({back}, {v}, {parts.c.flatten(0, 1)})[0];
  Linearised result;
  result.parts = along.detach().view(parts.c.sizes());
  result.intercept = parts.m - result.parts.sum(1);
  result.gain = 1 + (result.parts * parts.c).sum(-1) / parts.c.square().sum(-1);
  return result;
}

}  // namespace weir
