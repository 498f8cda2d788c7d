#include "weir/recall/effects.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/progress.h"
#include "weir/recall/final_reader.h"

namespace weir {

std::vector<PathEffects> path_effects(const LastPosition& last, const std::vector<at::Tensor>& ids,
                                      bool freeze_mlps) {
  const at::NoGradGuard no_grad;
  const LastActivations& clean = last.clean();
  const FinalReader reader(last.lm());
  const int64_t n_layers = clean.mlp_out.size(0), n_heads = clean.head_out.size(2);
  const int64_t n = last.n_prompts();
  std::vector<at::Tensor> clean_pi;
  for (const at::Tensor& id : ids) clean_pi.push_back(reader.own(clean.resid_post[-1], id));
  std::vector<std::vector<at::Tensor>> heads(ids.size()), mlps(ids.size());
  Progress progress("path patching", n_layers, "layers");
  for (int64_t layer = 0; layer < n_layers; ++layer) {
    // Rows: sender by sender, all prompts each. The heads' change enters before this layer's MLP,
    // which therefore reacts too; the MLP's own enters after it.
    const at::Tensor& out = clean.head_out[layer];                  // [N, H, D]
    const at::Tensor change = (out.mean(0) - out).transpose(0, 1);  // [H, N, D]
    const at::Tensor rows = at::arange(n, at::kLong).repeat({n_heads});
    const at::Tensor head_streams =
        last.run_frozen((clean.resid_pre[layer] + change).flatten(0, 1), layer, rows, freeze_mlps);
    const at::Tensor mlp_streams = last.run_frozen(
        clean.resid_post[layer] - clean.mlp_out[layer] + clean.mlp_out[layer].mean(0), layer + 1,
        at::arange(n, at::kLong), freeze_mlps);
    for (size_t i = 0; i < ids.size(); ++i) {
      heads[i].push_back(reader.own(head_streams.view({n_heads, n, -1}), ids[i]) - clean_pi[i]);
      mlps[i].push_back(reader.own(mlp_streams, ids[i]) - clean_pi[i]);
    }
    progress.advance();
  }
  std::vector<PathEffects> effects;
  for (size_t i = 0; i < ids.size(); ++i) {
    effects.push_back({at::stack(heads[i]), at::stack(mlps[i])});
  }
  return effects;
}

at::Tensor sparsify(const at::Tensor& effect, double theta) {
  const at::Tensor size = effect.abs().flatten();
  const at::Tensor falling = std::get<0>(size.sort(/*dim=*/0, /*descending=*/true));
  const double total = theta * size.sum().item<double>();
  const auto n_kept = (falling.cumsum(0) <= total).sum().item<int64_t>();
  if (theta >= 1 || n_kept >= size.numel()) return effect.clone();
  return at::where(effect.abs() >= falling[n_kept], effect, at::zeros_like(effect));
}

}  // namespace weir
