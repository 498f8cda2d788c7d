#include "weir/patch/frozen_stream.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace weir {
namespace {

at::Tensor expanded(const at::Tensor& one, int64_t n) {  // [B, T', D] -> [n, B, T', D]
  return one.unsqueeze(0).expand({n, one.size(0), one.size(1), one.size(2)});
}

}  // namespace

at::Tensor FrozenStream::through(int64_t layer, const at::Tensor& entering,
                                 const at::Tensor& attn_out) const {
  const int64_t n = entering.size(0);
  Hooks hooks = lm_.make_hooks();
  const auto give = [&](const char* site, const at::Tensor& value) {
    hooks.give(fmt::format("blocks.{}.{}", layer, site), value.flatten(0, 1));
  };
  give("hook_attn_out", attn_out);
  if (freeze_mlps_) give("hook_mlp_out", expanded(clean_.mlp_out[layer], n));
  ForwardInput input;
  input.residual = entering.flatten(0, 1);
  input.start_layer = layer;
  input.stop_at_layer = layer + 1;
  input.logits = LogitsAt::kNone;
  input.hooks = &hooks;
  return lm_.transformer().forward(input).residual.view(entering.sizes());
}

void FrozenStream::pass(int64_t layer, const at::Tensor& attn_out, const at::Tensor& mlp_out) {
  const at::Tensor& own = clean_.attn_out[layer];
  at::Tensor entering = expanded(clean_.resid_pre[layer], attn_out.size(0)), writes = attn_out;
  if (streams_.defined()) {
    entering = at::cat({streams_, entering});
    writes = at::cat({expanded(own, streams_.size(0)), attn_out});
  }
  const at::Tensor with_mlp = clean_.resid_pre[layer] + own + mlp_out;
  streams_ = at::cat({through(layer, entering, writes), with_mlp.unsqueeze(0)});
}

at::Tensor FrozenStream::mlp_inputs(int64_t layer, const at::Tensor& attn_out) const {
  const at::Tensor beginning = clean_.resid_pre[layer] + attn_out;
  if (!streams_.defined()) return beginning;
  return at::cat({streams_ + clean_.attn_out[layer], beginning});
}

}  // namespace weir
