#include <ATen/ATen.h>

#include "weir/nn/attention.h"
#include "weir/nn/attention_blocks.h"
#include "weir/tensor/half_precision.h"
#include "weir/tensor/hand_gradient.h"

namespace weir {
namespace {

bool is_plain(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat && x.stride(3) == 1 && x.numel() > 0;
}

at::Tensor composed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    const ScoreOptions& options, const AttentionMask& mask) {
  return attention_mix(attention_pattern(attention_scores(q, k, options, mask)), v);
}

}  // namespace

at::Tensor attention_values(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const ScoreOptions& options, const AttentionMask& mask) {
  if (needs_widening(q)) {
    return attention_values(widened(q), widened(k), widened(v), options, mask).to(q.scalar_type());
  }
  if (!is_plain(q) || !is_plain(k) || !is_plain(v) || needs_graph({options.slopes})) {
    return composed(q, k, v, options, mask);
  }
  const auto visible = visible_keys(mask, q.size(0), q.size(1));
  if (!visible) return composed(q, k, v, options, mask);
  const auto blocks = [options, visible](const std::vector<at::Tensor>& qkv) {
    return AttentionBlocks(qkv[0].contiguous(), qkv[1], qkv[2], options, *visible);
  };
  if (!needs_graph({q, k, v})) return direct_attention(blocks({q, k, v}));
  HandGradient operation;
  operation.forward = [blocks](const auto& qkv) { return direct_attention(blocks(qkv)); };
  operation.backward = [blocks](const auto& qkv, const at::Tensor& dz, const auto&) {
    return attention_gradient(blocks(qkv), dz.contiguous());
  };
  operation.composed = [options, mask](const auto& qkv) {
    return composed(qkv[0], qkv[1], qkv[2], options, mask);
  };
  return with_gradient({q, k, v}, std::move(operation));
}

}  // namespace weir
