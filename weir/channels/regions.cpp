#include "weir/channels/regions.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/channels/sweep.h"
#include "weir/nn/norm.h"
#include "weir/nn/rotary.h"
#include "weir/patch/experiments.h"

namespace weir {
namespace {

std::string name_of(int64_t layer, const char* site) {
  return fmt::format("blocks.{}.{}", layer, site);
}

/// What stands at the mover before anything is moved.
struct Clean {
  at::Tensor last;  ///< [N, D] stream entering the layer at the last position
  at::Tensor keys;  ///< [N, n, K]
};

at::Tensor item_rows(const at::Tensor& items, int64_t n_prompts) {
  return items.dim() == 2 ? items : items.unsqueeze(0).expand({n_prompts, items.size(0)});
}

/// Positions of the last token among the real ones.
at::Tensor last_positions(const TokenBatch& batch) {
  const int64_t n = batch.tokens.size(0), t = batch.tokens.size(1);
  if (!batch.attention_mask.defined()) return at::full({n}, t - 1, at::kLong);
  return batch.attention_mask.to(at::kLong).sum(1) - 1;
}

std::string key_site(const LanguageModel& lm, int64_t layer) {
  return name_of(layer, lm.config().has_rotary(layer) ? "attn.hook_rot_k" : "attn.hook_k");
}

Clean clean_of(const Experiments& prompts, const at::Tensor& items, const HeadId& mover) {
  const LanguageModel& lm = prompts.lm();
  const at::Tensor keys = prompts.cache()[key_site(lm, mover.layer)].select(
      2, kv_head(lm.config(), mover.head));  // [N, T, K]
  return {prompts.cache()[name_of(mover.layer, "hook_resid_pre")].select(1, -1),
          keys.gather(1, items.unsqueeze(2).expand({-1, -1, keys.size(2)}))};
}

/// W_Q and b_Q of the mover, turned to each prompt's last position: [N or 1, D, K], [N or 1, K].
std::pair<at::Tensor, at::Tensor> queries(const LanguageModel& lm, const LayerHeads& heads,
                                          const TokenBatch& batch, const HeadId& mover) {
  const at::Tensor W_Q = heads.W_Q[mover.head], b_Q = heads.b_Q[mover.head];
  if (!lm.config().has_rotary(mover.layer)) return {W_Q.unsqueeze(0), b_Q.unsqueeze(0)};
  const RotaryConfig& rotary = lm.config().rotary_of(mover.layer);
  const at::Tensor positions = last_positions(batch).unsqueeze(1);  // [N, 1]
  const int64_t length = positions.max().item<int64_t>() + 1;
  RotaryTables tables = rotary_tables(rotary, positions, length);  // [N, 1, n_dims / 2]
  tables.cos = tables.cos.to(W_Q.scalar_type());
  tables.sin = tables.sin.to(W_Q.scalar_type());
  const at::Tensor rows = at::cat({W_Q, b_Q.unsqueeze(0)});  // [D + 1, K] as so many heads
  const at::Tensor turned =
      rotate(rows.unsqueeze(0).unsqueeze(0).expand({positions.size(0), 1, -1, -1}), tables, rotary)
          .squeeze(1);
  return {turned.slice(1, 0, W_Q.size(0)), turned.select(1, W_Q.size(0))};
}

/// Runs the model from the mover's layer on for every point: fills what is measured.
void measure(const Experiments& prompts, const at::Tensor& items, const RegionOptions& options,
             const Subspace& subspace, RegionMap* map) {
  const int64_t layer = options.mover.layer, n_prompts = prompts.n_prompts();
  const SubspaceMoves moves{options.alpha, {}};
  const at::Tensor ids = prompts.batch().tokens.gather(1, items);  // [N, n]
  std::vector<at::Tensor> scores, said;
  at::Tensor seen;
  prompts.run_hooked(
      layer, prompts.n_positions() - 1, moves.size(),
      [&](int64_t first, int64_t count) {
        std::vector<NamedHook> hooks =
            move_hooks(subspace, moves, {layer, -1, {-1}}, n_prompts, first, count);
        hooks.push_back({name_of(layer, "attn.hook_attn_scores"),
                         [&seen, &options](const at::Tensor& x, const HookContext&) {
                           seen = x.select(1, options.mover.head).select(1, -1);  // [R, S]
                           return x;
                         }});
        return hooks;
      },
      [&](int64_t, const at::Tensor& logits) {  // [E, N, V]
        const int64_t n = logits.size(0);
        scores.push_back(seen.view({n, n_prompts, -1}).gather(2, items.expand({n, -1, -1})));
        said.push_back(logits.gather(2, ids.expand({n, -1, -1})).argmax(-1));
      });
  map->measured_scores = at::cat(scores).transpose(0, 1).contiguous();
  map->measured = map->measured_scores.argmax(-1);
  map->said = at::cat(said).t().contiguous();
}

at::Tensor all_hull_distances(const at::Tensor& slope) {  // [N, n, c] -> [N, n]
  const at::Tensor found = at::empty({slope.size(0), slope.size(1)}, at::kDouble);
  for (int64_t b = 0; b < slope.size(0); ++b) {
    throw_if_interrupted();
    for (int64_t i = 0; i < slope.size(1); ++i) found[b][i] = hull_distance(slope[b], i);
  }
  return found;
}

}  // namespace

at::Tensor alpha_grid(int64_t n_directions, double radius, int64_t n) {
  const at::Tensor axis = at::linspace(-radius, radius, n, at::kDouble);
  const std::vector<at::Tensor> axes(static_cast<size_t>(n_directions), axis);
  const auto grids = at::meshgrid(axes, "ij");
  std::vector<at::Tensor> columns;
  for (const at::Tensor& grid : grids) columns.push_back(grid.flatten());
  return at::stack(columns, 1);
}

RegionMap region_map(const LanguageModel& lm, const TokenBatch& batch, const at::Tensor& items,
                     const Subspace& subspace, const RegionOptions& options,
                     const CircuitOptions& circuits) {
  const at::NoGradGuard no_grad;
  const ModelConfig& config = lm.config();
  if (config.qk_norm != QkNorm::kNone) {
    fail(ErrorCode::kUnsupported, "regions: '{}' norms its queries, so that scores are not affine",
         config.family);
  }
  const at::Tensor& alpha = options.alpha;
  require(alpha.dim() == 2 && alpha.size(1) == subspace.basis.size(1),
          "regions: expected points [A, {}], got {}", subspace.basis.size(1),
          c10::str(alpha.sizes()));
  const at::Tensor rows = item_rows(items, batch.tokens.size(0));
  const Experiments prompts(lm, batch, {key_site(lm, options.mover.layer)});
  const Clean clean = clean_of(prompts, rows, options.mover);
  const at::ScalarType dtype = circuits.dtype;
  const LayerHeads heads =
      layer_heads(lm.transformer().weights(), config, options.mover.layer, circuits);
  const auto [W_Q, b_Q] = queries(lm, heads, batch, options.mover);
  const at::Tensor keys = clean.keys.to(dtype), x = clean.last.to(dtype);
  const at::Tensor basis = subspace.basis.to(dtype);
  RegionMap map;
  map.keys = clean.keys;
  const at::Tensor by_key = at::matmul(W_Q, keys.transpose(1, 2));  // [N, D, n]: W_Q k_p
  map.slope = at::matmul(by_key.transpose(1, 2), basis);            // [N, n, c]
  map.intercept = at::matmul(by_key.transpose(1, 2), x.unsqueeze(2)).squeeze(2);
  map.bias = at::matmul(keys, b_Q.unsqueeze(2)).squeeze(2);
  const at::Tensor moved = x.unsqueeze(1) + at::matmul(alpha.to(dtype), basis.t());  // [N, A, D]
  map.std = norm_scale(moved, config.norm, config.norm_eps).squeeze(-1);
  const at::Tensor affine = map.intercept.unsqueeze(1) +
                            at::matmul(alpha.to(dtype), map.slope.transpose(1, 2));  // [N, A, n]
  map.predicted_without_bias = affine.argmax(-1);
  map.predicted = (affine + map.std.unsqueeze(-1) * map.bias.unsqueeze(1)).argmax(-1);
  map.spread = map.slope.std(1, false).mean(0);
  if (options.hull && subspace.basis.size(1) <= 3)
    map.hull_distance = all_hull_distances(map.slope);
  if (options.measure) measure(prompts, rows, options, subspace, &map);
  return map;
}

}  // namespace weir
