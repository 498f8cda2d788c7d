#include "weir/sae/attention/feature_attribution.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/model/heads.h"
#include "weir/sae/attention/active_latents.h"

namespace weir {
namespace {

at::Tensor doubles(const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kDouble); }

/// u [n, H, K]
at::Tensor head_rows(const LinearEncoder& encoder, const AttentionRun& run) {
  const int64_t n_heads = run.values.size(2), d_head = run.values.size(3);
  require(encoder.rows.size(1) == n_heads * d_head,
          "expected a dictionary on hook_z of {} heads of width {}, found one of width {}", n_heads,
          d_head, encoder.rows.size(1));
  return encoder.rows.unflatten(1, {n_heads, d_head});
}

/// v_h[s] . u_{i,h}: [B, H, n, S]
at::Tensor value_readings(const AttentionRun& run, const at::Tensor& u) {
  const at::Tensor v = run.values.permute({0, 2, 3, 1});  // [B, H, K, S]
  return at::matmul(u.permute({1, 0, 2}).unsqueeze(0), v);
}

}  // namespace

AttentionRun run_attention(const LanguageModel& lm, const TokenBatch& batch, int64_t layer) {
  require(layer >= 0 && layer < lm.config().n_layers, "expected a layer from 0 to {}, found {}",
          lm.config().n_layers - 1, layer);
  const std::string attention = fmt::format("blocks.{}.attn.", layer);
  RunOptions options;
  options.cache.emplace();
  options.cache->names = {attention + "hook_v", attention + "hook_pattern", attention + "hook_z"};
  options.stop_when_cached = true;
  const RunResult result = lm.run(batch, options);
  AttentionRun run;
  run.pattern = doubles(result.cache[attention + "hook_pattern"]);
  run.values = per_query_head(lm.config(), doubles(result.cache[attention + "hook_v"]), 2);
  run.z = doubles(result.cache[attention + "hook_z"]).flatten(2);
  return run;
}

FeatureAttribution attribute_features(const AttentionRun& run, const Sae& sae,
                                      const std::vector<int64_t>& features) {
  const LinearEncoder encoder = linear_encoder(sae, features);
  const at::Tensor readings = value_readings(run, head_rows(encoder, run));  // [B, H, n, S]
  FeatureAttribution found;
  found.constant = encoder.constant;
  found.by_head = at::matmul(readings, run.pattern.transpose(2, 3)).transpose(1, 2);
  for (int64_t h = 0; h < readings.size(1); ++h) {
    const at::Tensor part =
        run.pattern.select(1, h).unsqueeze(1) * readings.select(1, h).unsqueeze(2);
    found.by_source = found.by_source.defined() ? found.by_source.add_(part) : part;
  }
  found.pre = found.by_head.sum(2) + found.constant.unsqueeze(1);
  return found;
}

at::Tensor attribute_heads_and_sources(const AttentionRun& run, const Sae& sae,
                                       const std::vector<int64_t>& features) {
  const LinearEncoder encoder = linear_encoder(sae, features);
  const at::Tensor readings = value_readings(run, head_rows(encoder, run)).transpose(1, 2);
  return run.pattern.unsqueeze(1) * readings.unsqueeze(3);
}

ActiveAttribution attribute_active(const AttentionRun& run, const Sae& sae, int64_t row) {
  const at::Tensor z = run.z[row];
  const ActiveLatents latents = active_latents(sae, z, z);
  const AttentionRun one{run.pattern.narrow(0, row, 1), run.values.narrow(0, row, 1), {}};
  const at::Tensor u = head_rows({latents.encoder, latents.bias}, run);
  const at::Tensor readings = value_readings(one, u)[0].permute({1, 0, 2}).contiguous();  // [n,H,S]
  const at::Tensor pattern = one.pattern[0].transpose(0, 1);  // [T, H, S]
  const int64_t n_positions = z.size(0), n_heads = readings.size(1);
  ActiveAttribution found;
  found.values = latents.values;
  found.features = at::tensor(latents.features, at::kLong)
                       .index_select(0, latents.places.flatten())
                       .view_as(latents.places);
  const int64_t k = latents.places.size(1);
  found.by_source = at::empty({n_positions, k, n_positions}, at::kDouble);
  found.by_head = at::empty({n_positions, k, n_heads}, at::kDouble);
  for (int64_t t = 0; t < n_positions; ++t) {
    const at::Tensor parts = readings.index_select(0, latents.places[t]) * pattern[t];  // [K, H, S]
    const at::Tensor fires = (latents.values[t] != 0).to(at::kDouble).unsqueeze(1);
    found.by_source[t] = parts.sum(1) * fires;
    found.by_head[t] = parts.sum(2) * fires;
  }
  return found;
}

at::Tensor attribution_shares(const at::Tensor& heads_and_sources, const at::Tensor& pre) {
  const at::Tensor mass = heads_and_sources.abs().sum(-1);  // [B, n, H, D]
  const at::Tensor of_head =
      (mass * (pre > 0).unsqueeze(2).to(mass.scalar_type())).sum(std::vector<int64_t>{0, 3});
  const at::Tensor total = of_head.sum(1, true);
  return of_head / at::where(total > 0, total, at::ones_like(total));
}

at::Tensor processed_value_shift(const LanguageModel& lm, int64_t layer) {
  const BlockWeights& block = lm.transformer().weights().blocks[layer];
  const ModelConfig& config = lm.config();
  at::Tensor shift = at::zeros({config.n_kv_heads * config.d_head}, at::kDouble);
  if (block.ln1.b.defined()) {
    shift = at::mv(doubles(block.attn.W_V.dense(at::kDouble)).t(), doubles(block.ln1.b));
  }
  if (block.attn.b_V.defined()) shift = shift + doubles(block.attn.b_V).flatten();
  return per_query_head(config, shift.view({config.n_kv_heads, config.d_head}), 0).flatten();
}

Sae shifted_for_raw_values(const Sae& sae, const at::Tensor& shift) {
  Sae moved = sae;
  const at::Tensor& b_dec = sae.weight("b_dec");
  require(b_dec.sizes() == shift.sizes(), "expected a shift of width {}, found {}", b_dec.numel(),
          shift.numel());
  moved.weights["b_dec"] = (doubles(b_dec) + shift * sae.config.scale).to(b_dec.scalar_type());
  return moved;
}

}  // namespace weir
