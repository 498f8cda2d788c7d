#include "weir/lens/part_entropy.h"

#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/interrupt.h"
#include "weir/lm/unembedding.h"
#include "weir/nn/norm.h"

namespace weir {
namespace {

/// Of writes [B, ..., D] at positions whose final scale is `scale` [B, ...].
at::Tensor entropies(const LanguageModel& lm, const at::Tensor& writes, PolicyNorm norm,
                     const at::Tensor& scale) {
  const at::Tensor read = policy_vector(lm, writes, norm, scale);
  return policy_entropy(lm, read.reshape({-1, read.size(-1)}))
      .view(writes.sizes().slice(0, static_cast<size_t>(writes.dim()) - 1));
}

/// Parts [B, ..., D] of what a module writes, through the norm on the whole with its true scale [B,
/// ...] (Gemma 2), so that they still sum to the whole.
at::Tensor through(const ModelConfig& config, const NormWeights& post, const at::Tensor& parts,
                   const at::Tensor& scale) {
  if (!post.present) return parts;
  return norm_gain(norm_divide(parts, scale, config.norm), post.w, {}, config.norm_offset);
}

}  // namespace

PartEntropies part_entropies(const LanguageModel& lm, const TokenBatch& batch, PolicyNorm norm,
                             bool neurons) {
  const at::NoGradGuard no_grad;
  const ModelConfig& config = lm.config();
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {"*attn.hook_z"};
  if (neurons) run.cache->names.push_back("*mlp.hook_post");
  const std::vector<BlockWeights>& blocks = lm.transformer().weights().blocks;
  if (blocks[0].ln1_post.present) run.cache->names.push_back("*ln1_post.hook_scale");
  if (blocks[0].ln2_post.present) run.cache->names.push_back("*ln2_post.hook_scale");
  run.logits = LogitsAt::kNone;
  const RunResult result = lm.run(batch, run);
  const at::Tensor scale = final_scale(config, lm.transformer().weights(), result.residual);
  std::vector<at::Tensor> heads, of_neurons;
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    throw_if_interrupted();
    const BlockWeights& block = blocks[static_cast<size_t>(layer)];
    const auto kept = [&](const char* site) {
      return result.cache[fmt::format("blocks.{}.{}", layer, site)];
    };
    const at::Tensor z = kept("attn.hook_z");
    const at::Tensor W_O =
        block.attn.W_O.dense(z.scalar_type()).view({config.n_heads, config.d_head, config.d_model});
    at::Tensor writes = at::einsum("bthk,hkd->bthd", {z, W_O});
    if (block.ln1_post.present) {
      writes = through(config, block.ln1_post, writes, kept("ln1_post.hook_scale").unsqueeze(2));
    }
    heads.push_back(
        entropies(lm, writes, norm, scale.unsqueeze(2).expand({-1, -1, config.n_heads})));
    if (!neurons) continue;
    const at::Tensor post = kept("mlp.hook_post").select(1, -1);       // [B, F]
    const at::Tensor out = block.mlp.W_out.dense(post.scalar_type());  // [F, D]
    std::vector<at::Tensor> rows;
    for (int64_t b = 0; b < post.size(0); ++b) {
      at::Tensor of_row = post[b].unsqueeze(1) * out;
      if (block.ln2_post.present) {
        of_row = through(config, block.ln2_post, of_row, kept("ln2_post.hook_scale")[b][-1]);
      }
      rows.push_back(entropies(lm, of_row, norm, scale[b][-1].expand({post.size(1)})));
    }
    of_neurons.push_back(at::stack(rows));
  }
  return {at::stack(heads), neurons ? at::stack(of_neurons) : at::Tensor()};
}

}  // namespace weir
